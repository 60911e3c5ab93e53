//! The derivation tree.

use super::{CapSpace, Lost, Node, NodeId, Object, Receiver, table::SlotState};
use crate::NONE;
use capos_abi::{ErrorCode, Handle, Rights};

/// A revocation under way: where it stands in the tree. Nothing else may change the tree until it is done.
#[derive(Debug)]
#[must_use]
pub struct Revocation {
    root: u32,
    cursor: u32,
}

/// What one step of a revocation took away.
#[derive(Debug)]
pub struct Revoked {
    /// The capability's node.
    pub(crate) node: NodeId,
    /// Who held it; `None` if operations under way through it may be anybody's.
    pub(crate) holder: Option<u32>,
    /// What ended with it.
    pub lost: Lost,
}

impl CapSpace {
    /// Puts a node with reserved slot into the tree (below `parent` unless that is [`NONE`]), its slot and
    /// the counts. Memory for it has been reserved.
    pub(super) fn place(&mut self, mut node: Node, parent: u32) -> u32 {
        let (object, process, slot) = (node.object, node.process, node.slot);
        let (receives, badge_record) = (node.rights.contains(Rights::RECEIVE), node.badge_record);
        node.parent = parent;
        node.next_sibling = self.nodes.at(parent).map_or(NONE, |parent| parent.first_child);
        let next = node.next_sibling;
        let Ok(id) = self.nodes.insert(node) else { return NONE };
        let index = id.index();
        if let Some(parent) = self.nodes.at_mut(parent) {
            parent.first_child = index;
        }
        if let Some(next) = self.nodes.at_mut(next) {
            next.previous_sibling = index;
        }
        if let Some(object) = self.objects.get_mut(object) {
            object.references += 1;
            if receives {
                object.add_receiver(process);
            }
        }
        if let Some(badge) = self.badges.at_mut(badge_record) {
            badge.count += 1;
        }
        self.set_slot(process, slot, SlotState::Used(index));
        index
    }

    pub(super) fn set_slot(&mut self, process: u32, slot: u32, state: SlotState) {
        if let Some(slot) = self.table_mut(process).and_then(|table| table.slots.get_mut(slot as usize)) {
            slot.state = state;
        }
    }

    /// Takes a node out of the tree; its children become its parent's. The slot is the caller's to change.
    pub(super) fn delete(&mut self, index: u32) -> Lost {
        self.give_children_to_parent(index);
        let Some(id) = self.nodes.id_at(index) else { return Lost::default() };
        let Some(node) = self.nodes.remove(id) else { return Lost::default() };
        match self.nodes.at_mut(node.previous_sibling) {
            Some(previous) => previous.next_sibling = node.next_sibling,
            None => {
                if let Some(parent) = self.nodes.at_mut(node.parent) {
                    parent.first_child = node.next_sibling;
                }
            }
        }
        if let Some(next) = self.nodes.at_mut(node.next_sibling) {
            next.previous_sibling = node.previous_sibling;
        }
        self.uncount(&node)
    }

    fn uncount(&mut self, node: &Node) -> Lost {
        let mut lost = Lost::default();
        if let Some(object) = self.objects.get_mut(node.object) {
            object.references -= 1;
            if node.rights.contains(Rights::RECEIVE) {
                object.remove_receiver();
                if object.receivers == 0 {
                    lost.deaf_endpoint = Some(node.payload);
                    self.forget_badges(node.object, true);
                }
            }
        }
        if self.uncount_badge(node.badge_record, node.object) {
            lost.badge_on = Some(node.payload);
        }
        self.remove_if_unreferenced(node.object, &mut lost);
        lost
    }

    /// Puts the children of `index` where `index` stands among its siblings.
    fn give_children_to_parent(&mut self, index: u32) {
        let Some(&Node { parent, first_child, next_sibling, .. }) = self.nodes.at(index) else { return };
        if first_child == NONE {
            return;
        }
        let (mut child, mut last) = (first_child, NONE);
        while let Some(node) = self.nodes.at_mut(child) {
            node.parent = parent;
            (last, child) = (child, node.next_sibling);
            if parent == NONE {
                // Roots have no siblings.
                (node.next_sibling, node.previous_sibling) = (NONE, NONE);
            }
        }
        if parent != NONE {
            if let Some(node) = self.nodes.at_mut(last) {
                node.next_sibling = next_sibling;
            }
            if let Some(node) = self.nodes.at_mut(next_sibling) {
                node.previous_sibling = last;
            }
            if let Some(node) = self.nodes.at_mut(index) {
                node.next_sibling = first_child;
            }
            if let Some(node) = self.nodes.at_mut(first_child) {
                node.previous_sibling = index;
            }
        }
        if let Some(node) = self.nodes.at_mut(index) {
            node.first_child = NONE;
        }
    }

    /// Moves a node to another slot; its place in the tree stays.
    pub(super) fn relocate(&mut self, index: u32, process: u32, handle: Handle, rights: Rights) {
        let Some(node) = self.nodes.at_mut(index) else { return };
        let old = (node.process, node.slot);
        (node.process, node.slot) = (process, handle.index());
        node.moved = true;
        let received = node.rights.contains(Rights::RECEIVE);
        node.rights = node.rights.intersection(rights);
        let receives = node.rights.contains(Rights::RECEIVE);
        let object = node.object;
        if received && let Some(object) = self.objects.get_mut(object) {
            object.remove_receiver();
            if receives {
                object.add_receiver(process);
            }
        }
        self.set_slot(process, handle.index(), SlotState::Used(index));
        if let Some(table) = self.table_mut(old.0) {
            table.free(old.1);
        }
    }

    /// Begins to revoke everything derived from `handle`.
    ///
    /// # Errors
    /// Those of [`Self::lookup`].
    pub fn revoke(&self, process: u32, handle: Handle) -> Result<Revocation, ErrorCode> {
        let (root, _) = self.lookup(process, handle, Rights::empty())?;
        Ok(Revocation { root, cursor: root })
    }

    /// Deletes one capability below the root of a revocation, leaves first, in a time that does not
    /// depend on how many there are (but for the way down to a leaf, which is walked once). `None` when done.
    pub fn revoke_step(&mut self, revocation: &mut Revocation) -> Option<Revoked> {
        while let Some(node) = self.nodes.at(revocation.cursor) {
            if node.first_child == NONE {
                break;
            }
            revocation.cursor = node.first_child;
        }
        if revocation.cursor == revocation.root {
            return None;
        }
        let index = revocation.cursor;
        let (id, &Node { next_sibling, parent, process, slot, moved, .. }) = self.nodes.entry_at(index)?;
        revocation.cursor = if next_sibling == NONE { parent } else { next_sibling };
        let lost = self.delete(index);
        if let Some(table) = self.table_mut(process)
            && let Some(slot) = table.slots.get_mut(slot as usize)
        {
            slot.state = SlotState::Revoked;
            table.tombstones += 1;
        }
        Some(Revoked { node: id, holder: (!moved).then_some(process), lost })
    }
}

impl Object {
    /// Counts a node of `process` with the RECEIVE right.
    fn add_receiver(&mut self, process: u32) {
        self.receiver = match self.receiver {
            Receiver::Nobody => Receiver::Only(process),
            Receiver::Only(only) if only == process => Receiver::Only(only),
            Receiver::Only(_) | Receiver::Several => Receiver::Several,
        };
        self.receivers += 1;
    }

    fn remove_receiver(&mut self) {
        self.receivers -= 1;
        if self.receivers == 0 {
            self.receiver = Receiver::Nobody;
        }
    }
}
