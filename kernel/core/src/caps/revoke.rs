//! Revocation, in steps that may be interleaved with any other operation.
//!
//! A revocation traverses the tree below its root depth first and deletes leaves. It *holds* the root and its
//! current node: a held node that is released remains as a ghost, so the traversal never loses its position, and
//! what was derived from nodes that still exist is found when the traversal returns to their parents. A capability
//! stays usable until it is reached. Everything derived from the root before the last step is gone afterwards, even
//! if the root itself is gone.
//!
//! Records of revoked capabilities are kept in a list of the revocation until the pending operations through them
//! have failed, so that one pass over the operations suffices for all of them.

use super::{CapSpace, Lost, NodeId};
use crate::NONE;
use capos_abi::{ErrorCode, Handle, Rights};

/// The role of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NodeState {
    /// A capability.
    Live,
    /// Only links its children to its parent.
    Ghost,
    /// A capability that was revoked, kept while operations through it may be pending. It is in no tree.
    Revoked,
}

/// A revocation in progress.
#[derive(Debug)]
#[must_use]
pub struct Revocation {
    root: u32,
    /// Its current node.
    cursor: u32,
    /// The first of the revoked nodes, linked by `next_sibling`.
    revoked: u32,
    /// Identifies the tables it has affected: those with this number or a higher one.
    number: u64,
    /// Whether it revoked a capability that had moved between tables, so that operations of any process may
    /// be affected.
    everybody: bool,
}

/// One step of a revocation.
#[derive(Debug)]
#[must_use]
pub(crate) enum Move {
    /// Moved to another node.
    Went,
    /// Moved away from a node that is gone, with the things that ended with it.
    Removed(Lost),
    /// Everything below the root is gone. [`CapSpace::end_revocation_step`] follows.
    Finished,
}

impl CapSpace {
    /// Starts to revoke everything derived from `handle`.
    ///
    /// # Errors
    /// Those of [`Self::lookup`].
    pub fn revoke(&mut self, process: u32, handle: Handle) -> Result<Revocation, ErrorCode> {
        let (root, _) = self.lookup(process, handle, Rights::empty())?;
        if let Some(node) = self.nodes.at_mut(root) {
            // Held as the root and as the current node.
            node.holds += 2;
        }
        let number = self.next_revocation;
        self.next_revocation += 1;
        Ok(Revocation { root, cursor: root, revoked: NONE, number, everybody: false })
    }

    /// Carries out a step of a revocation, in time independent of the size of the tree.
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
            // Another revocation, of an ancestor, removed it meanwhile.
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

    /// Removes a node without children from the tree, with its capability if it has one.
    fn remove_revoked(&mut self, revocation: &mut Revocation, index: u32) -> Lost {
        let Some(&was) = self.nodes.at(index) else { return Lost::default() };
        self.unlink(index);
        self.tidy(was.parent);
        if was.state != NodeState::Live {
            // Another revocation, which is at this node, keeps it.
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

    /// Whether a pending operation through `node` must fail because the capability was revoked.
    pub(crate) fn is_revoked(&self, node: NodeId) -> bool {
        self.nodes.get(node).is_some_and(|node| node.state == NodeState::Revoked)
    }

    /// Whether operations of `process` may be pending through capabilities that a revocation took.
    pub(crate) fn is_reached(&self, revocation: &Revocation, process: u32) -> bool {
        revocation.everybody || self.table(process).is_some_and(|table| table.revocation >= revocation.number)
    }

    /// Frees one of the records kept by a finished revocation. `false` if there is none.
    pub(crate) fn end_revocation_step(&mut self, revocation: &mut Revocation) -> bool {
        let index = revocation.revoked;
        let Some(node) = self.nodes.at_mut(index) else { return false };
        revocation.revoked = core::mem::replace(&mut node.next_sibling, NONE);
        node.state = NodeState::Ghost;
        self.tidy(index);
        true
    }
}
