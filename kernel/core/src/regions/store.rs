//! The form in which regions are kept: a list while there are few, as in most processes, afterwards a tree.

use super::{Protection, Region, list::List, summary::Summary, tree::Tree};
use crate::{
    OutOfMemory,
    walk::{Flaw, Walk},
};

/// The most regions in a list. Tests have both forms with few regions.
const FEW: usize = if cfg!(test) { 8 } else { 32 };

/// Disjoint regions, by address.
#[derive(Debug)]
pub(super) enum Store {
    Few(List),
    Many(Tree),
}

impl Store {
    pub(super) const fn new() -> Self {
        Self::Few(List::new())
    }

    /// The number of regions.
    pub(super) const fn len(&self) -> usize {
        match self {
            Self::Few(list) => list.len(),
            Self::Many(tree) => tree.len(),
        }
    }

    /// The first region that ends after `address`.
    #[inline]
    pub(super) fn first_after(&self, address: u64) -> Option<&Region> {
        match self {
            Self::Few(list) => list.first_after(address),
            Self::Many(tree) => tree.first_after(address),
        }
    }

    /// The last region that starts before `address`, and the first that does not.
    pub(super) fn around(&self, address: u64) -> (Option<&Region>, Option<&Region>) {
        match self {
            Self::Few(list) => list.around(address),
            Self::Many(tree) => tree.around(address),
        }
    }

    /// Sets the protection of the first region that ends after `address`. Returns its end.
    pub(super) fn set_protection_after(&mut self, address: u64, protection: Protection) -> Option<u64> {
        match self {
            Self::Few(list) => list.set_protection_after(address, protection),
            Self::Many(tree) => tree.set_protection_after(address, protection),
        }
    }

    /// The properties of the regions that overlap `start..end`, if there are any.
    pub(super) fn summary(&self, start: u64, end: u64) -> Option<Summary> {
        match self {
            Self::Few(list) => list.summary(start, end),
            Self::Many(tree) => tree.summary(start, end),
        }
    }

    /// The lowest free range of `length` bytes within `from..end`.
    pub(super) fn gap(&self, from: u64, end: u64, length: u64) -> Option<u64> {
        match self {
            Self::Few(list) => list.gap(from, end, length),
            Self::Many(tree) => tree.gap(from, end, length),
        }
    }

    /// Makes room for `count` more regions.
    pub(super) fn reserve(&mut self, count: usize) -> Result<(), OutOfMemory> {
        match self {
            Self::Few(list) if list.len() + count > FEW => self.become_tree(count),
            Self::Few(list) => list.reserve(count),
            Self::Many(tree) => tree.reserve(count),
        }
    }

    #[cold]
    fn become_tree(&mut self, count: usize) -> Result<(), OutOfMemory> {
        let Self::Few(list) = self else { return Ok(()) };
        let mut tree = Tree::new();
        tree.reserve(list.len() + count)?;
        for &region in list.regions() {
            tree.insert(region);
        }
        *self = Self::Many(tree);
        Ok(())
    }

    /// Adds a region, which overlaps none. There must be [room](Self::reserve).
    pub(super) fn insert(&mut self, region: Region) {
        match self {
            Self::Few(list) => list.insert(region),
            Self::Many(tree) => tree.insert(region),
        }
    }

    /// Removes the region that starts at `start`, which must be there.
    pub(super) fn remove(&mut self, start: u64) {
        match self {
            Self::Few(list) => list.remove(start),
            Self::Many(tree) => tree.remove(start),
        }
    }

    /// Removes the regions in `start..end`, which are entirely in it.
    pub(super) fn remove_between(&mut self, start: u64, end: u64, removed: &mut dyn FnMut(Region)) {
        match self {
            Self::Few(list) => list.remove_between(start, end, removed),
            Self::Many(tree) => tree.remove_between(start, end, removed),
        }
    }

    /// Moves the end of the region that starts at `start`, which then still overlaps none.
    pub(super) fn set_end(&mut self, start: u64, end: u64) {
        match self {
            Self::Few(list) => list.set_end(start, end),
            Self::Many(tree) => tree.set_end(start, end),
        }
    }

    /// Removes a record, which may be one without a region. Nothing can be found any more.
    pub(super) fn pop(&mut self) -> Option<Option<Region>> {
        match self {
            Self::Few(list) => list.pop().map(Some),
            Self::Many(tree) => tree.pop(),
        }
    }

    /// Whether the records are consistent, and `holds` for every region.
    ///
    /// # Errors
    /// [`Flaw::BrokenOff`].
    pub(super) fn is_consistent(
        &self,
        walk: &mut Walk<'_>,
        holds: impl Fn(&Region) -> bool,
    ) -> Result<bool, Flaw> {
        match self {
            Self::Few(list) => list.is_consistent(walk, holds),
            Self::Many(tree) => tree.is_consistent(walk, holds),
        }
    }
}
