//! Regions in a balanced search tree (AVL), whose nodes summarise the regions below them: what holds for a range, and where
//! a free range is, is found without visiting every region.

use super::{
    Protection, Region,
    summary::{Summary, both},
};
use crate::{
    NONE, OutOfMemory,
    walk::{Flaw, Walk},
};
use alloc::vec::Vec;

/// The difference in height of two neighbouring subtrees that is tolerated.
const SLACK: u8 = 1;

#[derive(Debug)]
struct Node {
    region: Region,
    /// Of the regions in this subtree.
    summary: Summary,
    /// The subtrees of lower and of higher addresses. In an unused node, `left` is the next unused one.
    left: u32,
    right: u32,
    /// 0 in an unused node.
    height: u8,
}

/// Disjoint regions, by address.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    root: u32,
    unused: u32,
    len: usize,
}

/// Number of records whose memory is freed at once.
const FREED_AT_ONCE: usize = 1024;
/// Size of the record of one region.
pub(super) const RECORD_BYTES: usize = size_of::<Node>();

impl Tree {
    pub(super) const fn new() -> Self {
        Self { nodes: Vec::new(), root: NONE, unused: NONE, len: 0 }
    }

    /// The number of regions.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    fn node(&self, index: u32) -> Option<&Node> {
        self.nodes.get(index as usize)
    }

    fn at(&mut self, index: u32) -> &mut Node {
        &mut self.nodes[index as usize]
    }

    /// The place of the first region that ends after `address`.
    #[inline]
    fn place_after(&self, address: u64) -> u32 {
        let (mut at, mut found) = (self.root, NONE);
        while let Some(node) = self.node(at) {
            at = if node.region.end > address {
                found = at;
                node.left
            } else {
                node.right
            };
        }
        found
    }

    /// The first region that ends after `address`.
    #[inline]
    pub(super) fn first_after(&self, address: u64) -> Option<&Region> {
        self.node(self.place_after(address)).map(|node| &node.region)
    }

    /// The last region that starts before `address`, and the first that does not.
    pub(super) fn around(&self, address: u64) -> (Option<&Region>, Option<&Region>) {
        let (mut at, mut before, mut next) = (self.root, None, None);
        while let Some(node) = self.node(at) {
            if node.region.start < address {
                before = Some(&node.region);
                at = node.right;
            } else {
                next = Some(&node.region);
                at = node.left;
            }
        }
        (before, next)
    }

    /// Sets the protection of the first region that ends after `address`. Returns its end.
    pub(super) fn set_protection_after(&mut self, address: u64, protection: Protection) -> Option<u64> {
        let place = self.place_after(address) as usize;
        let node = self.nodes.get_mut(place)?;
        // Summaries do not contain it.
        node.region.protection = protection;
        Some(node.region.end)
    }

    /// The properties of the regions that overlap `start..end`, if there are any.
    pub(super) fn summary(&self, start: u64, end: u64) -> Option<Summary> {
        self.summary_below(self.root, start, end)
    }

    fn summary_below(&self, at: u32, start: u64, end: u64) -> Option<Summary> {
        let node = self.node(at)?;
        let all = node.summary;
        if all.last <= start || end <= all.first {
            return None;
        }
        if start <= all.first && all.last <= end {
            return Some(all);
        }
        let overlaps = start < node.region.end && node.region.start < end;
        let own = overlaps.then(|| Summary::of(&node.region));
        let before = self.summary_below(node.left, start, end);
        both(both(before, own), self.summary_below(node.right, start, end))
    }

    /// The lowest free range of `length` bytes within `from..end`.
    pub(super) fn gap(&self, from: u64, end: u64, length: u64) -> Option<u64> {
        self.gap_below(self.root, from, end, length)
    }

    /// The same among the regions of a subtree; outside them, `from..end` is free.
    fn gap_below(&self, at: u32, from: u64, end: u64, length: u64) -> Option<u64> {
        let fits = |from: u64, end: u64| end.saturating_sub(from) >= length;
        if !fits(from, end) {
            return None;
        }
        let Some(node) = self.node(at) else { return Some(from) };
        let all = &node.summary;
        if all.gap < length && !fits(from, all.first) && !fits(from.max(all.last), end) {
            return None;
        }
        self.gap_below(node.left, from, end.min(node.region.start), length)
            .or_else(|| self.gap_below(node.right, from.max(node.region.end), end, length))
    }

    /// Makes room for `count` more regions.
    pub(super) fn reserve(&mut self, count: usize) -> Result<(), OutOfMemory> {
        let unused = self.nodes.len() - self.len;
        crate::reserve(&mut self.nodes, count.saturating_sub(unused))
    }

    /// Adds a region, which overlaps none. There must be [room](Self::reserve).
    pub(super) fn insert(&mut self, region: Region) {
        let node = Node { region, summary: Summary::of(&region), left: NONE, right: NONE, height: 1 };
        let place = self.unused;
        let place = if place == NONE {
            self.nodes.push(node);
            self.nodes.len() as u32 - 1
        } else {
            self.unused = core::mem::replace(self.at(place), node).left;
            place
        };
        self.len += 1;
        self.root = self.insert_below(self.root, place, region.start);
    }

    fn insert_below(&mut self, at: u32, place: u32, start: u64) -> u32 {
        let Some(node) = self.node(at) else { return place };
        if start < node.region.start {
            let left = self.insert_below(node.left, place, start);
            self.at(at).left = left;
        } else {
            let right = self.insert_below(node.right, place, start);
            self.at(at).right = right;
        }
        self.balance(at)
    }

    /// Removes the region that starts at `start`, which must be there.
    pub(super) fn remove(&mut self, start: u64) {
        let (root, removed) = self.remove_below(self.root, start);
        self.root = root;
        if removed != NONE {
            let unused = core::mem::replace(&mut self.unused, removed);
            let node = self.at(removed);
            (node.left, node.height) = (unused, 0);
            self.len -= 1;
        }
    }

    /// Removes the regions in `start..end`, which are entirely in it.
    pub(super) fn remove_between(&mut self, start: u64, end: u64, removed: &mut dyn FnMut(Region)) {
        while let Some(&region) = self.first_after(start).filter(|region| region.start < end) {
            self.remove(region.start);
            removed(region);
        }
    }

    /// Returns what takes the place of the subtree, and the node taken out of it.
    fn remove_below(&mut self, at: u32, start: u64) -> (u32, u32) {
        let Some(&Node { region, left, right, .. }) = self.node(at) else { return (NONE, NONE) };
        if start < region.start {
            let (left, removed) = self.remove_below(left, start);
            self.at(at).left = left;
            return (self.balance(at), removed);
        }
        if start > region.start {
            let (right, removed) = self.remove_below(right, start);
            self.at(at).right = right;
            return (self.balance(at), removed);
        }
        if left == NONE || right == NONE {
            return (if left == NONE { right } else { left }, at);
        }
        let (right, next) = self.take_first(right);
        let node = self.at(next);
        (node.left, node.right) = (left, right);
        (self.balance(next), at)
    }

    /// Takes the first node out of a subtree. Returns what takes its place, and the node.
    fn take_first(&mut self, at: u32) -> (u32, u32) {
        let (left, right) = self.children(at);
        if left == NONE {
            return (right, at);
        }
        let (left, first) = self.take_first(left);
        self.at(at).left = left;
        (self.balance(at), first)
    }

    /// Moves the end of the region that starts at `start`, which then still overlaps none.
    pub(super) fn set_end(&mut self, start: u64, end: u64) {
        self.set_end_below(self.root, start, end);
    }

    fn set_end_below(&mut self, at: u32, start: u64, end: u64) {
        let Some(node) = self.node(at) else { return };
        match start.cmp(&node.region.start) {
            core::cmp::Ordering::Less => self.set_end_below(node.left, start, end),
            core::cmp::Ordering::Greater => self.set_end_below(node.right, start, end),
            core::cmp::Ordering::Equal => self.at(at).region.end = end,
        }
        self.sum_up(at);
    }

    fn children(&self, at: u32) -> (u32, u32) {
        self.node(at).map_or((NONE, NONE), |node| (node.left, node.right))
    }

    fn height(&self, at: u32) -> u8 {
        self.node(at).map_or(0, |node| node.height)
    }

    /// Computes what a node says of its subtree. Returns the heights of its children.
    fn sum_up(&mut self, at: u32) -> (u8, u8) {
        let Some(node) = self.node(at) else { return (0, 0) };
        let (summary, heights) = self.sum_of(node);
        let node = self.at(at);
        (node.summary, node.height) = (summary, 1 + heights.0.max(heights.1));
        heights
    }

    fn sum_of(&self, node: &Node) -> (Summary, (u8, u8)) {
        let (mut all, mut heights) = (Summary::of(&node.region), (0, 0));
        if let Some(left) = self.node(node.left) {
            (all, heights.0) = (left.summary.and(all), left.height);
        }
        if let Some(right) = self.node(node.right) {
            (all, heights.1) = (all.and(right.summary), right.height);
        }
        (all, heights)
    }

    /// Restores the balance at a node with balanced subtrees. Returns the node that takes its place.
    fn balance(&mut self, at: u32) -> u32 {
        let (lower, higher) = self.sum_up(at);
        if lower.abs_diff(higher) <= SLACK {
            return at;
        }
        let (left, right) = self.children(at);
        if lower > higher {
            let (outer, inner) = self.children(left);
            if self.height(inner) > self.height(outer) {
                self.at(at).left = self.rotate_left(left);
            }
            return self.rotate_right(at);
        }
        let (inner, outer) = self.children(right);
        if self.height(inner) > self.height(outer) {
            self.at(at).right = self.rotate_right(right);
        }
        self.rotate_left(at)
    }

    fn rotate_left(&mut self, at: u32) -> u32 {
        let up = self.at(at).right;
        self.at(at).right = core::mem::replace(&mut self.at(up).left, at);
        self.sum_up(at);
        self.sum_up(up);
        up
    }

    fn rotate_right(&mut self, at: u32) -> u32 {
        let up = self.at(at).left;
        self.at(at).left = core::mem::replace(&mut self.at(up).right, at);
        self.sum_up(at);
        self.sum_up(up);
        up
    }

    /// Removes the last record, which may be one without a region, in no order. Nothing can be found any more.
    pub(super) fn pop(&mut self) -> Option<Option<Region>> {
        (self.root, self.unused) = (NONE, NONE);
        let node = self.nodes.pop()?;
        // The memory is freed in pieces; what remains is still large, and the kernel's heap shrinks large blocks in place.
        if self.nodes.len().is_multiple_of(FREED_AT_ONCE) && !self.nodes.is_empty() {
            self.nodes.shrink_to(self.nodes.len());
        }
        self.len = self.len.saturating_sub(usize::from(node.height > 0));
        Some((node.height > 0).then_some(node.region))
    }

    /// Whether every node is where it belongs and says the truth of its subtree, and `holds` for every region.
    ///
    /// # Errors
    /// [`Flaw::BrokenOff`].
    pub(super) fn is_consistent(
        &self,
        walk: &mut Walk<'_>,
        holds: impl Fn(&Region) -> bool,
    ) -> Result<bool, Flaw> {
        let (mut used, mut children) = (0, 0);
        for node in self.nodes.iter().filter(|node| node.height > 0) {
            walk.look()?;
            used += 1;
            let (left, right) = (self.node(node.left), self.node(node.right));
            children += usize::from(left.is_some()) + usize::from(right.is_some());
            let in_order = left.is_none_or(|left| left.summary.last <= node.region.start)
                && right.is_none_or(|right| right.summary.first >= node.region.end);
            let (summary, (lower, higher)) = self.sum_of(node);
            if !in_order
                || lower.abs_diff(higher) > SLACK
                || (node.summary, node.height) != (summary, 1 + lower.max(higher))
                || !holds(&node.region)
            {
                return Ok(false);
            }
        }
        let root = usize::from(self.root != NONE);
        Ok(used == self.len && children + root == used)
    }
}
