//! First-in-first-out lists of operations, linked through the operations themselves; and the operations of each thread.

use super::{Ipc, Links, OPERATIONS_PER_THREAD, Operation, State, ThreadOperations, UNLINKED};
use crate::{NONE, arena::Arena};
use capos_abi::ErrorCode;
use core::hint::cold_path;

/// The ends of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct List {
    pub(super) first: u32,
    pub(super) last: u32,
}

impl List {
    /// No operations.
    pub const EMPTY: Self = Self { first: NONE, last: NONE };

    /// Adds an operation to the list for its new state.
    #[inline(always)]
    pub(super) fn push(&mut self, operations: &mut Arena<Operation>, index: u32, state: State) {
        let last = core::mem::replace(&mut self.last, index);
        match operations.at_mut(last) {
            Some(operation) => operation.place.next = index,
            None => self.first = index,
        }
        if let Some(operation) = operations.at_mut(index) {
            operation.place = Links { next: NONE, previous: last };
            operation.state = state;
        }
    }

    /// Removes an operation.
    #[inline]
    pub(super) fn unlink(&mut self, operations: &mut Arena<Operation>, index: u32) {
        let Some(operation) = operations.at_mut(index) else { return };
        let gone = core::mem::replace(&mut operation.place, UNLINKED);
        self.close(operations, gone);
    }

    /// Links the neighbours of a removed operation, which had these links.
    #[inline(always)]
    pub(super) fn close(&mut self, operations: &mut Arena<Operation>, gone: Links) {
        let Links { next, previous } = gone;
        match operations.at_mut(previous) {
            Some(operation) => operation.place.next = next,
            None => self.first = next,
        }
        match operations.at_mut(next) {
            Some(operation) => operation.place.previous = previous,
            None => self.last = previous,
        }
    }
}

impl ThreadOperations {
    /// Whether the thread may have another operation.
    #[inline(always)]
    pub(super) const fn has_room(&self) -> bool {
        (self.count as usize) < OPERATIONS_PER_THREAD
    }

    /// The slot for its next operation, if it may have this many more.
    #[inline(always)]
    pub(super) fn vacancy(&mut self, more: u32) -> Option<Vacancy<'_>> {
        let position = self.count;
        self.places.get((position + more - 1) as usize)?;
        Some(Vacancy { place: self.places.get_mut(position as usize)?, position, count: &mut self.count })
    }

    /// Removes the operation at `position`; the last one takes its position.
    #[inline(always)]
    pub(super) fn remove(&mut self, operations: &mut Arena<Operation>, position: u32) {
        let last = self.count.wrapping_sub(1);
        self.count = last;
        if position != last
            && let Some(&moved) = self.places.get(last as usize)
            && let Some(place) = self.places.get_mut(position as usize)
        {
            *place = moved;
            if let Some(operation) = operations.at_mut(moved) {
                operation.position = position;
            }
        }
    }

    /// The places of its operations.
    pub(super) fn places(&self) -> &[u32] {
        self.places.get(..self.count as usize).unwrap_or_default()
    }
}

/// A free slot among the operations of a thread.
pub(super) struct Vacancy<'a> {
    place: &'a mut u32,
    position: u32,
    count: &'a mut u32,
}

impl Vacancy<'_> {
    /// Adds the operation with this place. Returns its position.
    #[inline(always)]
    pub(super) const fn fill(self, index: u32) -> u32 {
        *self.place = index;
        *self.count = self.position + 1;
        self.position
    }
}

impl Ipc {
    /// Adds an operation to its thread's. Fails if the thread already has as many as its ring has
    /// completions.
    #[inline(always)]
    pub(super) fn link_thread(&mut self, thread: u32, index: u32) -> Result<u32, ErrorCode> {
        let vacancy = self.threads.get_mut(thread as usize).and_then(|thread| thread.as_mut()?.vacancy(1));
        let Some(vacancy) = vacancy else {
            cold_path();
            return Err(ErrorCode::BudgetExceeded);
        };
        Ok(vacancy.fill(index))
    }

    /// Removes the operation at `position` from its thread's; the last one takes its position.
    #[inline(always)]
    pub(super) fn unlink_thread(&mut self, thread: u32, position: u32) {
        let Some(Some(thread)) = self.threads.get_mut(thread as usize) else { return };
        thread.remove(&mut self.operations, position);
    }
}
