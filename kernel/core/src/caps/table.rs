//! Tables of slots, one for each process.

use super::{CapSpace, Lost};
use crate::{
    NONE, reserve,
    walk::{Flaw, Walk},
    work::Work,
};
use alloc::vec::Vec;
use capos_abi::{ErrorCode, Handle};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SlotState {
    /// Empty; the index of the next empty slot.
    Free(u32),
    /// Holds the capability of this node.
    Used(u32),
    /// Held a capability that was revoked. The handle reports this until it is released or the slot is needed. The
    /// links are to other such slots.
    Revoked { next: u32, previous: u32 },
    /// Reserved for a capability that is about to arrive.
    Reserved,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) generation: u32,
    pub(super) state: SlotState,
}

pub(super) struct Table {
    pub(super) slots: Vec<Slot>,
    first_free: u32,
    /// Slots that are not free, plus badge records charged to this process.
    pub(super) used: u32,
    pub(super) limit: u32,
    pub(super) tombstones: u32,
    first_tombstone: u32,
    /// Distinguishes this process from an earlier one with the same number.
    pub(super) serial: u64,
    /// Whether it ever had a capability with the RECEIVE right.
    pub(super) serves: bool,
    /// The number of the last revocation that took something from it.
    pub(super) revocation: u64,
    /// Whether the process is ending; nothing is inserted any more.
    closing: bool,
}

impl Table {
    /// Takes a free slot, or the slot of a revoked capability if the budget allows no other.
    fn reserve(&mut self) -> Result<Handle, ErrorCode> {
        if self.closing {
            return Err(ErrorCode::BadCapability);
        }
        if self.used >= self.limit {
            return self.reuse_tombstone();
        }
        if let Some(slot) = self.slots.get_mut(self.first_free as usize) {
            let handle = Handle::new(self.first_free, slot.generation);
            if let SlotState::Free(next) = slot.state {
                self.first_free = next;
            }
            slot.state = SlotState::Reserved;
            self.used += 1;
            return Ok(handle);
        }
        reserve(&mut self.slots, 1).map_err(|_| ErrorCode::BudgetExceeded)?;
        self.slots.push(Slot { generation: 1, state: SlotState::Reserved });
        self.used += 1;
        Ok(Handle::new(self.slots.len() as u32 - 1, 1))
    }

    fn reuse_tombstone(&mut self) -> Result<Handle, ErrorCode> {
        if self.first_tombstone != NONE {
            self.free(self.first_tombstone);
            if self.used < self.limit {
                return self.reserve();
            }
        }
        Err(ErrorCode::BudgetExceeded)
    }

    /// Notes that the capability in a slot was revoked.
    pub(super) fn bury(&mut self, index: u32) {
        let next = self.first_tombstone;
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        slot.state = SlotState::Revoked { next, previous: NONE };
        self.tombstones += 1;
        self.first_tombstone = index;
        if let Some(Slot { state: SlotState::Revoked { previous, .. }, .. }) =
            self.slots.get_mut(next as usize)
        {
            *previous = index;
        }
    }

    /// Removes a slot from the list of those whose capability was revoked.
    fn leave_tombstones(&mut self, state: SlotState) {
        let SlotState::Revoked { next: behind, previous: before } = state else { return };
        self.tombstones -= 1;
        match self.slots.get_mut(before as usize) {
            Some(Slot { state: SlotState::Revoked { next, .. }, .. }) => *next = behind,
            _ => self.first_tombstone = behind,
        }
        if let Some(Slot { state: SlotState::Revoked { previous, .. }, .. }) =
            self.slots.get_mut(behind as usize)
        {
            *previous = before;
        }
    }

    /// Empties a slot; handles to its content become stale.
    pub(super) fn free(&mut self, index: u32) {
        let Some(&Slot { generation, state }) = self.slots.get(index as usize) else { return };
        self.leave_tombstones(state);
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        // A slot whose generations are exhausted is retired and remains charged.
        let Some(generation) = generation.checked_add(1) else {
            slot.state = SlotState::Reserved;
            return;
        };
        *slot = Slot { generation, state: SlotState::Free(self.first_free) };
        self.first_free = index;
        self.used -= 1;
    }

    /// Whether the list of revoked slots contains each exactly once.
    pub(super) fn check_lists(&self, walk: &mut Walk<'_>) -> Result<(), Flaw> {
        let wrong = Err(Flaw::Found("a table's lists of slots are wrong"));
        let (mut before, mut index, mut count) = (NONE, self.first_tombstone, 0);
        while let Some(&Slot { state: SlotState::Revoked { next, previous }, .. }) =
            self.slots.get(index as usize)
        {
            walk.look()?;
            count += 1;
            if previous != before || count > self.tombstones {
                return wrong;
            }
            (before, index) = (index, next);
        }
        if index == NONE && count == self.tombstones { Ok(()) } else { wrong }
    }

    /// The maximum number of slots that the budget still allows; badge records count like slots.
    const fn room(&self) -> u32 {
        if self.closing { 0 } else { self.limit.saturating_sub(self.used) + self.tombstones }
    }
}

/// The result of [`CapSpace::close_table_step`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum TableStep {
    /// Removed a capability; these things ended with it.
    Lost(Lost),
    /// The step's work is used up, and there are more slots.
    More,
    /// The table is removed.
    Closed,
}

impl CapSpace {
    #[inline]
    pub(super) fn table(&self, process: u32) -> Option<&Table> {
        self.tables.get(process as usize)?.as_ref()
    }

    #[inline]
    pub(super) fn table_mut(&mut self, process: u32) -> Option<&mut Table> {
        self.tables.get_mut(process as usize)?.as_mut()
    }

    /// Creates an empty table of at most `limit` slots for the process numbered `process`.
    ///
    /// # Errors
    /// `BudgetExceeded` if there is no memory, `InvalidArgument` if the process already has a table.
    pub fn open_table(&mut self, process: u32, limit: u32) -> Result<(), ErrorCode> {
        let needed = process as usize + 1;
        if needed > self.tables.len() {
            let additional = needed - self.tables.len();
            reserve(&mut self.tables, additional).map_err(|_| ErrorCode::BudgetExceeded)?;
            self.tables.resize_with(needed, || None);
        }
        let serial = self.next_serial;
        match self.tables.get_mut(process as usize) {
            Some(entry @ None) => {
                *entry = Some(Table {
                    slots: Vec::new(),
                    first_free: NONE,
                    used: 0,
                    limit,
                    tombstones: 0,
                    first_tombstone: NONE,
                    serial,
                    serves: false,
                    revocation: 0,
                    closing: false,
                });
                self.next_serial += 1;
                Ok(())
            }
            _ => Err(ErrorCode::InvalidArgument),
        }
    }

    /// Starts the end of a process: nothing is inserted into its table any more.
    pub fn begin_close(&mut self, process: u32) {
        if let Some(table) = self.table_mut(process) {
            table.closing = true;
        }
    }

    /// Whether a process has or had a capability with the RECEIVE right.
    pub(crate) fn serves(&self, process: u32) -> bool {
        self.table(process).is_some_and(|table| table.serves)
    }

    /// One step of a process's end: empties slots of its table until one held a capability or the work is used up.
    /// After the last slot, the table is removed.
    pub fn close_table_step(&mut self, process: u32, work: &mut Work) -> TableStep {
        let Some(table) = self.table_mut(process) else { return TableStep::Closed };
        table.closing = true;
        while work.take() {
            let Some(Slot { state, .. }) = table.slots.pop() else {
                self.tables[process as usize] = None;
                return TableStep::Closed;
            };
            if matches!(state, SlotState::Free(_)) {
                continue;
            }
            table.leave_tombstones(state);
            table.used -= 1;
            if let SlotState::Used(node) = state {
                return TableStep::Lost(self.delete(node));
            }
        }
        TableStep::More
    }

    /// Slots and badge records that a process currently uses.
    #[must_use]
    pub fn slots_used(&self, process: u32) -> u32 {
        self.table(process).map_or(0, |table| table.used)
    }

    pub(super) fn room(&self, process: u32) -> u32 {
        self.table(process).map_or(0, Table::room)
    }

    pub(super) fn reserve_slot(&mut self, process: u32) -> Result<Handle, ErrorCode> {
        self.table_mut(process).ok_or(ErrorCode::BadCapability)?.reserve()
    }

    /// Empties the slot `handle`; the capability's children are attached to its parent. Also frees the slot of a
    /// revoked capability.
    ///
    /// # Errors
    /// `BadCapability`.
    pub fn release(&mut self, process: u32, handle: Handle) -> Result<Lost, ErrorCode> {
        match self.node_index(process, handle) {
            Ok(node) => {
                let lost = self.delete(node);
                if let Some(table) = self.table_mut(process) {
                    table.free(handle.index());
                }
                Ok(lost)
            }
            Err(ErrorCode::Revoked) => {
                if let Some(table) = self.table_mut(process) {
                    table.free(handle.index());
                }
                Ok(Lost::default())
            }
            Err(error) => Err(error),
        }
    }
}
