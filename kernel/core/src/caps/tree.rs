//! The derivation tree.

use super::{CapSpace, Lost, Node, NodeState, Object, Receiver, table::SlotState};
use crate::NONE;
use capos_abi::{Handle, Rights};

impl CapSpace {
    /// Inserts a node with a reserved slot into the tree (below `parent` unless that is [`NONE`]), its slot and the
    /// counts. Memory for it has been reserved.
    pub(super) fn place(&mut self, mut node: Node, parent: u32) -> u32 {
        let (object, process, slot) = (node.object, node.process, node.slot);
        let (receives, badge_record) = (node.rights.contains(Rights::RECEIVE), node.badge_record);
        node.parent = parent;
        node.next_sibling = self.nodes.at(parent).map_or(NONE, |parent| parent.first_child);
        let next = node.next_sibling;
        let Ok(id) = self.nodes.insert(node) else { return NONE };
        self.capabilities += 1;
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
        if receives && let Some(table) = self.table_mut(process) {
            table.serves = true;
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

    /// Deletes a capability; its children are attached to its parent. The caller updates the slot.
    pub(super) fn delete(&mut self, index: u32) -> Lost {
        let Some(node) = self.nodes.at_mut(index).filter(|node| node.state == NodeState::Live) else {
            return Lost::default();
        };
        let was = *node;
        node.state = NodeState::Ghost;
        (node.process, node.slot, node.badge_record) = (NONE, NONE, NONE);
        self.capabilities -= 1;
        self.tidy(index);
        self.uncount(&was)
    }

    /// Removes a ghost that is no longer needed, and its parent if that becomes such a ghost.
    pub(super) fn tidy(&mut self, index: u32) {
        let Some(node) = self.nodes.at(index).filter(|node| node.is_idle_ghost()) else { return };
        let (parent, child) = (node.parent, node.first_child);
        if child == NONE {
            self.unlink(index);
            self.discard(index);
            // One child fewer. If that leaves a single child, it takes the parent's place, which reduces no other
            // node's children.
            if self.nodes.at(parent).is_some_and(Node::is_idle_ghost) {
                self.tidy_parent(parent);
            }
        } else {
            self.tidy_parent(index);
        }
    }

    /// Replaces a ghost by its only child. Does nothing if there are several.
    fn tidy_parent(&mut self, index: u32) {
        let Some(&ghost) = self.nodes.at(index) else { return };
        let child = ghost.first_child;
        if self.nodes.at(child).is_none_or(|child| child.next_sibling != NONE) {
            return;
        }
        if let Some(child) = self.nodes.at_mut(child) {
            child.parent = ghost.parent;
            (child.previous_sibling, child.next_sibling) = (ghost.previous_sibling, ghost.next_sibling);
        }
        self.set_neighbours(&ghost, child, child);
        self.discard(index);
    }

    /// Removes a node without children from its parent's list.
    pub(super) fn unlink(&mut self, index: u32) {
        let Some(node) = self.nodes.at_mut(index) else { return };
        let was = *node;
        (node.parent, node.previous_sibling, node.next_sibling) = (NONE, NONE, NONE);
        self.set_neighbours(&was, was.next_sibling, was.previous_sibling);
    }

    /// Makes the previous sibling of `node` (or its parent, if there is none) point to `next`, and its next sibling
    /// point back to `previous`.
    fn set_neighbours(&mut self, node: &Node, next: u32, previous: u32) {
        match self.nodes.at_mut(node.previous_sibling) {
            Some(before) => before.next_sibling = next,
            None => {
                if let Some(parent) = self.nodes.at_mut(node.parent) {
                    parent.first_child = next;
                }
            }
        }
        if let Some(behind) = self.nodes.at_mut(node.next_sibling) {
            behind.previous_sibling = previous;
        }
    }

    /// Frees the record of a node without links.
    pub(super) fn discard(&mut self, index: u32) {
        if let Some(id) = self.nodes.id_at(index) {
            self.nodes.discard(id);
        }
    }

    /// Subtracts a capability that is gone from the counts.
    pub(super) fn uncount(&mut self, node: &Node) -> Lost {
        let mut lost = Lost::default();
        if let Some(object) = self.objects.get_mut(node.object) {
            object.references -= 1;
            if node.rights.contains(Rights::RECEIVE) {
                object.remove_receiver();
                if object.receivers == 0 {
                    lost.deaf_endpoint = Some(node.payload);
                    self.forget_dropped(node.object);
                }
            }
        }
        if self.uncount_badge(node.badge_record, node.object) {
            lost.badge_on = Some(node.payload);
        }
        self.remove_if_unreferenced(node.object, &mut lost);
        lost
    }

    /// Moves a node to another slot; its position in the tree is unchanged.
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
        if receives && let Some(table) = self.table_mut(process) {
            table.serves = true;
        }
        self.set_slot(process, handle.index(), SlotState::Used(index));
        if let Some(table) = self.table_mut(old.0) {
            table.free(old.1);
        }
    }
}

impl Node {
    /// Whether it is a ghost that no revocation needs.
    fn is_idle_ghost(&self) -> bool {
        self.state == NodeState::Ghost && self.holds == 0
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
