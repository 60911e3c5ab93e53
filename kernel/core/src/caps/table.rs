//! Tables of slots, one for each process.

use super::{CapSpace, Lost};
use crate::NONE;
use alloc::vec::Vec;
use capos_abi::{ErrorCode, Handle};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SlotState {
    /// Empty; the next empty slot.
    Free(u32),
    /// Holds the capability with this node.
    Used(u32),
    /// Held a capability that was revoked. Its handle says so until it is released or the slot is needed.
    Revoked,
    /// Promised to a capability that is about to arrive.
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
    /// Slots that are not free, and badge records charged to this process.
    pub(super) used: u32,
    pub(super) limit: u32,
    pub(super) tombstones: u32,
    /// Distinguishes this process from an earlier one with the same number.
    pub(super) serial: u64,
}

impl Table {
    /// Takes a free slot, or the slot of a revoked capability when the budget leaves no other.
    fn reserve(&mut self) -> Result<Handle, ErrorCode> {
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
        self.slots.try_reserve(1).map_err(|_| ErrorCode::BudgetExceeded)?;
        self.slots.push(Slot { generation: 1, state: SlotState::Reserved });
        self.used += 1;
        Ok(Handle::new(self.slots.len() as u32 - 1, 1))
    }

    fn reuse_tombstone(&mut self) -> Result<Handle, ErrorCode> {
        if self.tombstones > 0
            && let Some(index) = self.slots.iter().position(|slot| slot.state == SlotState::Revoked)
        {
            self.free(index as u32);
            if self.used < self.limit {
                return self.reserve();
            }
        }
        Err(ErrorCode::BudgetExceeded)
    }

    /// Empties a slot; handles to what it held are stale from then on.
    pub(super) fn free(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        if slot.state == SlotState::Revoked {
            self.tombstones -= 1;
        }
        // A slot whose generations are used up is retired, and stays on the bill.
        let Some(generation) = slot.generation.checked_add(1) else {
            slot.state = SlotState::Reserved;
            return;
        };
        *slot = Slot { generation, state: SlotState::Free(self.first_free) };
        self.first_free = index;
        self.used -= 1;
    }

    /// Free slots that the budget still allows, at most; badge records count like slots.
    const fn room(&self) -> u32 {
        self.limit.saturating_sub(self.used) + self.tombstones
    }
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

    /// Opens an empty table of at most `limit` slots for the process numbered `process`.
    ///
    /// # Errors
    /// `BudgetExceeded` when memory is used up, `InvalidArgument` when the process has a table.
    pub fn open_table(&mut self, process: u32, limit: u32) -> Result<(), ErrorCode> {
        let needed = process as usize + 1;
        if needed > self.tables.len() {
            let additional = needed - self.tables.len();
            self.tables.try_reserve(additional).map_err(|_| ErrorCode::BudgetExceeded)?;
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
                    serial,
                });
                self.next_serial += 1;
                Ok(())
            }
            _ => Err(ErrorCode::InvalidArgument),
        }
    }

    /// One step of a process's end: takes out one capability of its table and says what ended with it. After the last
    /// one removes the table and returns `None`.
    pub fn close_table_step(&mut self, process: u32) -> Option<Lost> {
        let table = self.table_mut(process)?;
        while let Some(slot) = table.slots.pop() {
            if let SlotState::Used(node) = slot.state {
                return Some(self.delete(node));
            }
        }
        self.tables[process as usize] = None;
        None
    }

    /// Slots and badge records that a process uses now.
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

    /// Empties the slot `handle`: the capability's children go to its parent. Also clears the slot of a
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
