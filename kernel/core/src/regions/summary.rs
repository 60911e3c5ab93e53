//! Common properties of neighbouring regions.

use super::{Backing, Protection, Region};

/// Properties of neighbouring regions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Summary {
    /// Where the first one starts.
    pub(super) first: u64,
    /// Where the last one ends.
    pub(super) last: u64,
    /// The largest gap between two of them.
    pub(super) gap: u64,
    /// The kinds of backing among them ([`Backing::kind`]).
    pub(super) kinds: u8,
    /// The protection that all of them can be given.
    pub(super) ceiling: Protection,
}

impl Summary {
    pub(super) const fn of(region: &Region) -> Self {
        let Region { start, end, ceiling, .. } = *region;
        Self { first: start, last: end, gap: 0, kinds: region.backing.kind(), ceiling }
    }

    /// The properties of these and the regions `after` them.
    pub(super) fn and(self, after: Self) -> Self {
        Self {
            first: self.first,
            last: after.last,
            gap: self.gap.max(after.gap).max(after.first - self.last),
            kinds: self.kinds | after.kinds,
            ceiling: self.ceiling & after.ceiling,
        }
    }
}

/// The properties of regions and those after them.
pub(super) fn both(before: Option<Summary>, after: Option<Summary>) -> Option<Summary> {
    match (before, after) {
        (Some(before), Some(after)) => Some(before.and(after)),
        (one, other) => one.or(other),
    }
}

impl Backing {
    /// A bit for each kind.
    pub(super) const fn kind(&self) -> u8 {
        match self {
            Self::Anonymous => ANONYMOUS,
            Self::Object { .. } => OBJECT,
            Self::Private { .. } => PRIVATE,
            Self::Fixed => FIXED,
        }
    }
}

pub(super) const ANONYMOUS: u8 = 1 << 0;
pub(super) const OBJECT: u8 = 1 << 1;
pub(super) const PRIVATE: u8 = 1 << 2;
pub(super) const FIXED: u8 = 1 << 3;
