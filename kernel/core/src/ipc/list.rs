//! First-in-first-out lists of operations, linked through the operations themselves.

use super::{Ipc, Links, Operation, UNLINKED};
use crate::{NONE, arena::Arena};

/// The ends of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct List {
    pub(super) first: u32,
    pub(super) last: u32,
}

impl List {
    /// No operations.
    pub const EMPTY: Self = Self { first: NONE, last: NONE };

    #[inline]
    fn push(
        &mut self,
        operations: &mut Arena<Operation>,
        index: u32,
        links: fn(&mut Operation) -> &mut Links,
    ) {
        let last = core::mem::replace(&mut self.last, index);
        match operations.at_mut(last) {
            Some(operation) => links(operation).next = index,
            None => self.first = index,
        }
        if let Some(operation) = operations.at_mut(index) {
            *links(operation) = Links { next: NONE, previous: last };
        }
    }

    #[inline]
    fn unlink(
        &mut self,
        operations: &mut Arena<Operation>,
        index: u32,
        links: fn(&mut Operation) -> &mut Links,
    ) {
        let Some(operation) = operations.at_mut(index) else { return };
        let Links { next, previous } = core::mem::replace(links(operation), UNLINKED);
        match operations.at_mut(previous) {
            Some(operation) => links(operation).next = next,
            None => self.first = next,
        }
        match operations.at_mut(next) {
            Some(operation) => links(operation).previous = previous,
            None => self.last = previous,
        }
    }

    /// Adds an operation to a list that its state names.
    #[inline]
    pub(super) fn push_place(&mut self, operations: &mut Arena<Operation>, index: u32) {
        self.push(operations, index, |operation| &mut operation.place);
    }

    #[inline]
    pub(super) fn unlink_place(&mut self, operations: &mut Arena<Operation>, index: u32) {
        self.unlink(operations, index, |operation| &mut operation.place);
    }
}

impl Ipc {
    /// Adds an operation to its thread's list.
    #[inline]
    pub(super) fn link_thread(&mut self, thread: u32, index: u32) {
        if let Some(Some(thread)) = self.threads.get_mut(thread as usize) {
            thread.list.push(&mut self.operations, index, |operation| &mut operation.by_thread);
            thread.count += 1;
        }
    }

    #[inline]
    pub(super) fn unlink_thread(&mut self, thread: u32, index: u32) {
        if let Some(Some(thread)) = self.threads.get_mut(thread as usize) {
            thread.list.unlink(&mut self.operations, index, |operation| &mut operation.by_thread);
            thread.count -= 1;
        }
    }

    /// Adds an operation to those made with capability `node`. The list has no last: order does not matter.
    #[inline]
    pub(super) fn link_node(&mut self, node: u32, index: u32) {
        let Some(record) = self.caps.node_mut(node) else { return };
        let next = core::mem::replace(&mut record.first_operation, index);
        if let Some(operation) = self.operations.at_mut(next) {
            operation.by_node.previous = index;
        }
        if let Some(operation) = self.operations.at_mut(index) {
            operation.node = node;
            operation.by_node = Links { next, previous: NONE };
        }
    }

    #[inline]
    pub(super) fn unlink_node(&mut self, index: u32) {
        let Some(operation) = self.operations.at_mut(index) else { return };
        let node = core::mem::replace(&mut operation.node, NONE);
        if node == NONE {
            return;
        }
        let Links { next, previous } = core::mem::replace(&mut operation.by_node, UNLINKED);
        match self.operations.at_mut(previous) {
            Some(operation) => operation.by_node.next = next,
            None => {
                if let Some(record) = self.caps.node_mut(node) {
                    record.first_operation = next;
                }
            }
        }
        if let Some(operation) = self.operations.at_mut(next) {
            operation.by_node.previous = previous;
        }
    }

    /// Takes one operation off a chain that [`crate::caps`] handed out when its capability went; returns the next.
    pub(super) fn detach_from_node(&mut self, index: u32) -> Option<u32> {
        let operation = self.operations.at_mut(index)?;
        operation.node = NONE;
        Some(core::mem::replace(&mut operation.by_node, UNLINKED).next)
    }
}
