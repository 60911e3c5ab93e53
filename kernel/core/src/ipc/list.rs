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

    #[inline(always)]
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

    #[inline(always)]
    fn unlink(
        &mut self,
        operations: &mut Arena<Operation>,
        index: u32,
        links: fn(&mut Operation) -> &mut Links,
    ) {
        let Some(operation) = operations.at_mut(index) else { return };
        let gone = core::mem::replace(links(operation), UNLINKED);
        self.close_gap(operations, gone, links);
    }

    /// Joins what stood beside an operation that has gone with these links.
    #[inline(always)]
    fn close_gap(
        &mut self,
        operations: &mut Arena<Operation>,
        gone: Links,
        links: fn(&mut Operation) -> &mut Links,
    ) {
        let Links { next, previous } = gone;
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

    /// Closes the gap that a removed operation leaves in the list that its state named.
    #[inline(always)]
    pub(super) fn close_place(&mut self, operations: &mut Arena<Operation>, gone: Links) {
        self.close_gap(operations, gone, |operation| &mut operation.place);
    }

    /// Closes the gap that a removed operation leaves in its thread's list.
    #[inline(always)]
    pub(super) fn close_by_thread(&mut self, operations: &mut Arena<Operation>, gone: Links) {
        self.close_gap(operations, gone, |operation| &mut operation.by_thread);
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
}
