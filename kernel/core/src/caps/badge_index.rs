//! Index of an object's badges: a binary trie whose branches are stored in the badge records.
//!
//! A branch names the highest bit in which the badges below it differ, so a search passes at most 64 branches
//! whatever the badges are, and nothing is ever moved or rebuilt. There is one branch fewer than there are badges.
//! Each is stored in a record of one of the badges below it; one record stores none.

use super::{Arena, Badge};
use crate::NONE;

/// The target of a branch: [`NONE`], a record, or, with [`BRANCH`] set, the branch stored in a record.
type Link = u32;

/// Greater than any index of a record.
const BRANCH: u32 = 1 << 31;

/// A branch, in the record that stores it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Branch {
    /// The highest bit in which the badges below differ; [`UNUSED`] if the record stores no branch.
    bit: u8,
    /// The subtree of badges with the bit clear, and that of badges with the bit set.
    below: [Link; 2],
}

const UNUSED: u8 = u8::MAX;

impl Branch {
    pub(super) const UNUSED: Self = Self { bit: UNUSED, below: [NONE; 2] };

    pub(super) const fn is_used(&self) -> bool {
        self.bit != UNUSED
    }

    /// The side of the branch that a badge belongs to.
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

    /// The record whose badge shares the longest prefix with `badge` along the search path.
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

    /// Sets the link from the branch stored in `keeper` (from the top if there is no such record) towards `badge`.
    fn set_link(&mut self, badges: &mut Arena<Badge>, keeper: u32, badge: u64, to: Link) {
        match badges.at_mut(keeper) {
            Some(record) => record.branch.below[record.branch.side(badge)] = to,
            None => self.top = to,
        }
    }

    /// Adds a record whose badge is not in the index yet.
    pub(super) fn insert(&mut self, badges: &mut Arena<Badge>, index: u32) {
        let Some(badge) = badges.at(index).map(|record| record.badge) else { return };
        let nearest = self.nearest(badges, badge);
        let Some(differs) = badges.at(nearest).map(|record| record.badge ^ badge) else {
            self.top = index;
            return;
        };
        let bit = (63 - (differs | 1).leading_zeros()) as u8;
        // The new branch goes above the first one whose badges agree in all bits down to the new one's.
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

    /// Removes a record.
    pub(super) fn remove(&mut self, badges: &mut Arena<Badge>, index: u32) {
        let Some(&Badge { badge, branch: own, .. }) = badges.at(index) else { return };
        // The records that store the branch leading to the removed record, the branch above that, and the branch above
        // the removed record's own.
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
        // The branch leading to the record is removed; its other subtree takes its place.
        self.set_link(badges, above_last, badge, branch.below[branch.side(badge) ^ 1]);
        // If the record stores another branch, that one moves to the record that stored the removed branch.
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
