//! Revocation, in steps between which anything else may happen.
//!
//! A revocation walks the tree below its root depth first and deletes leaves. It *holds* the root and the node where it
//! stands: a held node that is released stays as a ghost, so the walk never loses its place, and what derives from
//! nodes that are still there is found when the walk comes back to their parents. A capability stays usable until it is
//! reached; all that was derived from the root before the last step is gone after it, even if the root itself has gone.
//!
//! Records of revoked capabilities stay, on a list of the revocation, until the operations under way through them
//! have failed: one look at the operations does for all of them.

use super::{CapSpace, Lost, NodeId};
use crate::NONE;
use capos_abi::{ErrorCode, Handle, Rights};

/// The role of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NodeState {
    /// A capability.
    Live,
    /// Only the ties between its children and its parent.
    Ghost,
    /// A capability that was revoked, for as long as operations through it may be under way. In no tree.
    Revoked,
}

/// A revocation under way.
#[derive(Debug)]
#[must_use]
pub struct Revocation {
    root: u32,
    /// Where it stands.
    cursor: u32,
    /// The first of the revoked nodes, linked by `next_sibling`.
    revoked: u32,
    /// Tells which tables it has reached: those that bear this number or a higher one.
    number: u64,
    /// A capability that has changed tables was revoked, so operations may be anybody's.
    everybody: bool,
}

/// One move of a revocation.
#[derive(Debug)]
#[must_use]
pub(crate) enum Move {
    /// To another node.
    Went,
    /// Away from a node that is gone, and what ended with it.
    Removed(Lost),
    /// Everything below the root is gone. [`CapSpace::end_revocation_step`] follows.
    Finished,
}

impl CapSpace {
    /// Begins to revoke everything derived from `handle`.
    ///
    /// # Errors
    /// Those of [`Self::lookup`].
    pub fn revoke(&mut self, process: u32, handle: Handle) -> Result<Revocation, ErrorCode> {
        let (root, _) = self.lookup(process, handle, Rights::empty())?;
        if let Some(node) = self.nodes.at_mut(root) {
            // As the root and as the place where it stands.
            node.holds += 2;
        }
        let number = self.next_revocation;
        self.next_revocation += 1;
        Ok(Revocation { root, cursor: root, revoked: NONE, number, everybody: false })
    }

    /// Goes on with a revocation, in a time that does not depend on the size of the tree.
    pub(crate) fn revoke_step(&mut self, revocation: &mut Revocation) -> Move {
        let Revocation { root, cursor, .. } = *revocation;
        let Some(&node) = self.nodes.at(cursor) else { return Move::Finished };
        if node.first_child != NONE {
            self.go(revocation, node.first_child);
            return Move::Went;
        }
        if cursor == root {
            self.unhold(cursor);
            self.unhold(root);
            return Move::Finished;
        }
        if node.parent == NONE {
            // Another revocation, of something above, removed it meanwhile.
            self.go(revocation, root);
            return Move::Went;
        }
        let next = if node.next_sibling == NONE { node.parent } else { node.next_sibling };
        self.hold(next);
        revocation.cursor = next;
        if let Some(node) = self.nodes.at_mut(cursor) {
            node.holds -= 1;
        }
        Move::Removed(self.remove_revoked(revocation, cursor))
    }

    fn go(&mut self, revocation: &mut Revocation, to: u32) {
        self.hold(to);
        self.unhold(revocation.cursor);
        revocation.cursor = to;
    }

    fn hold(&mut self, index: u32) {
        if let Some(node) = self.nodes.at_mut(index) {
            node.holds += 1;
        }
    }

    fn unhold(&mut self, index: u32) {
        if let Some(node) = self.nodes.at_mut(index) {
            node.holds -= 1;
            self.tidy(index);
        }
    }

    /// Takes a node without children out of the tree, and its capability if it has one.
    fn remove_revoked(&mut self, revocation: &mut Revocation, index: u32) -> Lost {
        let Some(&was) = self.nodes.at(index) else { return Lost::default() };
        self.unlink(index);
        self.tidy(was.parent);
        if was.state != NodeState::Live {
            // Another revocation that stands here keeps it.
            self.tidy(index);
            return Lost::default();
        }
        if let Some(node) = self.nodes.at_mut(index) {
            node.state = NodeState::Revoked;
            node.next_sibling = revocation.revoked;
            (node.process, node.slot, node.badge_record) = (NONE, NONE, NONE);
        }
        revocation.revoked = index;
        revocation.everybody |= was.moved;
        self.capabilities -= 1;
        if let Some(table) = self.table_mut(was.process) {
            table.bury(was.slot);
            table.revocation = table.revocation.max(revocation.number);
        }
        self.uncount(&was)
    }

    /// Whether an operation under way through `node` is to fail because the capability was revoked.
    pub(crate) fn is_revoked(&self, node: NodeId) -> bool {
        self.nodes.get(node).is_some_and(|node| node.state == NodeState::Revoked)
    }

    /// Whether operations of `process` may be under way through what a revocation took.
    pub(crate) fn is_reached(&self, revocation: &Revocation, process: u32) -> bool {
        revocation.everybody || self.table(process).is_some_and(|table| table.revocation >= revocation.number)
    }

    /// Frees one record of those that a finished revocation kept. `false` when there is none.
    pub(crate) fn end_revocation_step(&mut self, revocation: &mut Revocation) -> bool {
        let index = revocation.revoked;
        let Some(node) = self.nodes.at_mut(index) else { return false };
        revocation.revoked = core::mem::replace(&mut node.next_sibling, NONE);
        node.state = NodeState::Ghost;
        self.tidy(index);
        true
    }
}
