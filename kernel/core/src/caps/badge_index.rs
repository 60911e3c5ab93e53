//! Finding the record of a badge: a binary trie of the badges of one object, whose branches are kept in the records.
//!
//! A branch tells the highest bit in which the badges below it differ, so a search passes at most 64 branches however the
//! badges were chosen, and nothing is ever moved or rebuilt. There is one branch fewer than there are badges. Each is kept
//! in a record of the badges below it; one record keeps none.

use super::{Arena, Badge};
use crate::NONE;

/// Where a branch leads: [`NONE`], a record, or with [`BRANCH`] the branch that is kept in a record.
type Link = u32;

/// Above every index of a record.
const BRANCH: u32 = 1 << 31;

/// A branch, in the record that keeps it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Branch {
    /// The highest bit in which the badges below differ; [`UNUSED`] if there is no branch here.
    bit: u8,
    /// Where badges lead whose bit is clear, and where those lead whose bit is set.
    below: [Link; 2],
}

const UNUSED: u8 = u8::MAX;

impl Branch {
    pub(super) const UNUSED: Self = Self { bit: UNUSED, below: [NONE; 2] };

    pub(super) const fn is_used(&self) -> bool {
        self.bit != UNUSED
    }

    /// On which side of it a badge is.
    const fn side(&self, badge: u64) -> usize {
        (badge >> (self.bit & 63) & 1) as usize
    }
}

/// The badges of one object.
#[derive(Clone, Copy, Debug)]
pub(super) struct BadgeIndex {
    top: Link,
}

const fn is_branch(link: Link) -> bool {
    link != NONE && link & BRANCH != 0
}

impl BadgeIndex {
    /// No badges.
    pub(super) const EMPTY: Self = Self { top: NONE };

    /// The record whose badge is most like `badge`.
    fn nearest(self, badges: &Arena<Badge>, badge: u64) -> u32 {
        let mut link = self.top;
        while is_branch(link) {
            let Some(record) = badges.at(link ^ BRANCH) else { return NONE };
            link = record.branch.below[record.branch.side(badge)];
        }
        link
    }

    /// The record of `badge`, or [`NONE`].
    pub(super) fn find(self, badges: &Arena<Badge>, badge: u64) -> u32 {
        let found = self.nearest(badges, badge);
        if badges.at(found).is_some_and(|record| record.badge == badge) { found } else { NONE }
    }

    /// Makes `to` what leads from the branch kept in `keeper` (from the top if there is no such record) to `badge`.
    fn set_link(&mut self, badges: &mut Arena<Badge>, keeper: u32, badge: u64, to: Link) {
        match badges.at_mut(keeper) {
            Some(record) => record.branch.below[record.branch.side(badge)] = to,
            None => self.top = to,
        }
    }

    /// Adds a record, of a badge that is not there.
    pub(super) fn insert(&mut self, badges: &mut Arena<Badge>, index: u32) {
        let Some(badge) = badges.at(index).map(|record| record.badge) else { return };
        let nearest = self.nearest(badges, badge);
        let Some(differs) = badges.at(nearest).map(|record| record.badge ^ badge) else {
            self.top = index;
            return;
        };
        let bit = (63 - (differs | 1).leading_zeros()) as u8;
        // The new branch goes above the first whose badges agree in all bits down to that one.
        let (mut above, mut link) = (NONE, self.top);
        while is_branch(link) {
            let keeper = link ^ BRANCH;
            let Some(record) = badges.at(keeper).filter(|record| record.branch.bit > bit) else { break };
            (above, link) = (keeper, record.branch.below[record.branch.side(badge)]);
        }
        if let Some(record) = badges.at_mut(index) {
            let mut branch = Branch { bit, below: [link; 2] };
            branch.below[branch.side(badge)] = index;
            record.branch = branch;
        }
        self.set_link(badges, above, badge, index | BRANCH);
    }

    /// Takes a record out.
    pub(super) fn remove(&mut self, badges: &mut Arena<Badge>, index: u32) {
        let Some(&Badge { badge, branch: own, .. }) = badges.at(index) else { return };
        // The keepers of the branch that leads to the record, of the one above that, and of the one above the record's own.
        let (mut last, mut above_last, mut above_own) = (NONE, NONE, NONE);
        let mut link = self.top;
        while is_branch(link) {
            let keeper = link ^ BRANCH;
            if keeper == index {
                above_own = last;
            }
            let Some(record) = badges.at(keeper) else { return };
            (above_last, last, link) = (last, keeper, record.branch.below[record.branch.side(badge)]);
        }
        if link != index {
            return;
        }
        let Some(branch) = badges.at(last).map(|record| record.branch) else {
            self.top = NONE;
            return;
        };
        // The branch that leads to the record goes; what is on its other side takes its place.
        self.set_link(badges, above_last, badge, branch.below[branch.side(badge) ^ 1]);
        // The branch that the record keeps, if another, moves to the record that kept the one which is gone.
        let moved = last != index && own.is_used();
        let own = badges.at(index).map_or(own, |record| record.branch);
        if let Some(record) = badges.at_mut(last) {
            record.branch = if moved { own } else { Branch::UNUSED };
        }
        if moved {
            self.set_link(badges, above_own, badge, last | BRANCH);
        }
        if let Some(record) = badges.at_mut(index) {
            record.branch = Branch::UNUSED;
        }
    }
}
