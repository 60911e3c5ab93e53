//! Faulting in pages on access.

use super::{AddressSpace, KEPT, OWNED, REGISTER_FLAGS, REGISTERS, SHARED, leaf};
use crate::mm::{
    frames::{FRAME_BYTES, Frame},
    objects::MemoryObjects,
    tables::{self, Entry, index},
};
use capos_abi::USER_END;
use capos_kernel_core::regions::{Backing, Protection, Region};
use x86_64::structures::paging::PageTableFlags as Flags;

/// The kind of access to a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Execute,
}

/// The reason why a page is inaccessible.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultError {
    /// It is unmapped, or the access is not allowed.
    NotAllowed,
    /// The process's frame budget or the machine's memory is exhausted.
    OutOfMemory,
}

/// Pages of a contiguous object that are mapped together around the accessed one.
const FAULT_AROUND: u64 = 16;
const PAGE: u64 = FRAME_BYTES as u64;

impl AddressSpace {
    /// The frame of `address`, if it is mapped, `access` is allowed, and its entry has none of the flags `unless`.
    #[inline]
    fn present(&mut self, address: u64, access: Access, unless: Flags) -> Option<Frame> {
        let entry = match self.recent.get(address) {
            Some(entry) => entry,
            None => {
                let entry = self.entry(address).filter(|entry| entry.is_present())?;
                self.recent.remember(address, entry);
                entry
            }
        };
        allows(entry, access, unless).then(|| entry.frame())
    }

    /// The entry of the page that contains a short range, and the offset in it. `None` if the range crosses a page, was
    /// not used recently, is not accessible in that way, or is device registers.
    #[inline(always)]
    pub(in crate::mm) fn recent_entry(
        &self,
        address: u64,
        length: usize,
        access: Access,
    ) -> Option<(Entry, usize)> {
        let offset = address as usize % FRAME_BYTES;
        if offset + length > FRAME_BYTES {
            return None;
        }
        Some((self.recent.get(address).filter(|&entry| allows(entry, access, REGISTERS))?, offset))
    }

    /// The frame of a user address, faulted in if necessary. Never device registers: they are not in the direct map, and
    /// reading them has side effects that only their driver may cause.
    ///
    /// # Errors
    /// See [`FaultError`].
    #[inline]
    pub(in crate::mm) fn frame_at(
        &mut self,
        objects: &mut MemoryObjects,
        address: u64,
        access: Access,
    ) -> Result<Frame, FaultError> {
        if address >= USER_END {
            return Err(FaultError::NotAllowed);
        }
        match self.present(address, access, REGISTERS) {
            Some(frame) => Ok(frame),
            None => {
                self.fill(objects, address, access)?;
                self.present(address, access, REGISTERS).ok_or(FaultError::NotAllowed)
            }
        }
    }

    /// Handles a page fault of the process: like [`Self::fill`], but if the page is already accessible, that is
    /// an error, since retrying would not help.
    ///
    /// # Errors
    /// See [`FaultError`].
    pub fn handle_fault(
        &mut self,
        objects: &mut MemoryObjects,
        address: u64,
        access: Access,
    ) -> Result<(), FaultError> {
        if address >= USER_END || self.present(address, access, Flags::empty()).is_some() {
            return Err(FaultError::NotAllowed);
        }
        self.fill(objects, address, access)
    }

    /// Makes `address` accessible for `access` if its region allows it.
    ///
    /// # Errors
    /// See [`FaultError`].
    #[cold]
    pub fn fill(
        &mut self,
        objects: &mut MemoryObjects,
        address: u64,
        access: Access,
    ) -> Result<(), FaultError> {
        let region = *self.regions.find(address).ok_or(FaultError::NotAllowed)?;
        let needed = match access {
            Access::Read => Protection::READ,
            Access::Write => Protection::WRITE,
            Access::Execute => Protection::EXECUTE,
        };
        // The processor cannot forbid reading pages that are writable or executable.
        if region.protection.is_empty() || (access != Access::Read && !region.protection.contains(needed)) {
            return Err(FaultError::NotAllowed);
        }
        let table = self.table_for(address).ok_or(FaultError::OutOfMemory)?;
        let slot = index(address, 1);
        let old = tables::get(table, slot);
        if old != Entry::EMPTY {
            // It was hidden by an earlier protection, or another thread faulted it in first.
            self.recent.clear();
            if access == Access::Write && old.flags().contains(SHARED) {
                return self.own_copy(table, address, old.frame(), region.protection);
            }
            tables::set(table, slot, leaf(old.frame(), region.protection, old.flags() & KEPT));
            return Ok(());
        }
        match region.backing {
            Backing::Anonymous => {
                let frame = self.take_frame().ok_or(FaultError::OutOfMemory)?;
                frame.zero();
                tables::set(table, slot, leaf(frame, region.protection, OWNED));
                Ok(())
            }
            Backing::Object { object, offset } => {
                let object = objects.at_mut(object).ok_or(FaultError::NotAllowed)?;
                if object.is_gone() {
                    return Err(FaultError::NotAllowed);
                }
                let kept = if object.is_registers() { REGISTER_FLAGS } else { Flags::empty() };
                let page = address & !(PAGE - 1);
                let frame =
                    object.frame((offset + (page - region.start)) / PAGE).ok_or(FaultError::OutOfMemory)?;
                tables::set(table, slot, leaf(frame, region.protection, kept));
                if object.is_contiguous() {
                    map_around(table, &region, page, frame, kept);
                }
                Ok(())
            }
            Backing::Private { object, offset } => {
                let object = objects.at_mut(object).ok_or(FaultError::NotAllowed)?;
                let page = address & !(PAGE - 1);
                if access == Access::Read && offset.is_multiple_of(PAGE) {
                    let frame = object
                        .frame((offset + (page - region.start)) / PAGE)
                        .ok_or(FaultError::OutOfMemory)?;
                    tables::set(table, slot, leaf(frame, region.protection, SHARED));
                    if object.is_contiguous() {
                        map_around(table, &region, page, frame, SHARED);
                    }
                    return Ok(());
                }
                let frame = self.take_frame().ok_or(FaultError::OutOfMemory)?;
                if !object.copy_page(offset + (page - region.start), frame) {
                    self.free_frame(frame);
                    return Err(FaultError::OutOfMemory);
                }
                tables::set(table, slot, leaf(frame, region.protection, OWNED));
                Ok(())
            }
            Backing::Fixed => Err(FaultError::NotAllowed),
        }
    }

    /// Replaces the shared page at `address` by a copy of its frame that belongs to the process.
    fn own_copy(
        &mut self,
        table: Frame,
        address: u64,
        shared: Frame,
        protection: Protection,
    ) -> Result<(), FaultError> {
        let frame = self.take_frame().ok_or(FaultError::OutOfMemory)?;
        frame.copy_from(0, shared, 0, FRAME_BYTES);
        tables::set(table, index(address, 1), leaf(frame, protection, OWNED));
        // CPUs may remember the shared frame, also if the kernel writes for the process.
        self.holders.flush(address & !(PAGE - 1), PAGE);
        Ok(())
    }

    /// Maps a frame that the kernel filled, within a region created for it.
    pub(super) fn place(&mut self, address: u64, frame: Frame, protection: Protection) -> bool {
        let Some(table) = self.table_for(address) else { return false };
        tables::set(table, index(address, 1), leaf(frame, protection, OWNED));
        true
    }
}

/// Whether the entry allows this access from user mode, and has none of the flags `unless`.
#[inline(always)]
fn allows(entry: Entry, access: Access, unless: Flags) -> bool {
    let flags = entry.flags();
    let wanted = match access {
        Access::Write => Flags::PRESENT | Flags::USER_ACCESSIBLE | Flags::WRITABLE,
        Access::Read | Access::Execute => Flags::PRESENT | Flags::USER_ACCESSIBLE,
    };
    flags.intersection(wanted.union(unless)) == wanted
        && (access != Access::Execute || !flags.contains(Flags::NO_EXECUTE))
}

/// Maps the pages around `page` (whose frame is `frame`) that share its table and its aligned group.
fn map_around(table: Frame, region: &Region, page: u64, frame: Frame, kept: Flags) {
    let group = page & !(FAULT_AROUND * PAGE - 1);
    let start = group.max(region.start);
    let end = (group + FAULT_AROUND * PAGE).min(region.end);
    for at in (start..end).step_by(FRAME_BYTES) {
        if tables::get(table, index(at, 1)) == Entry::EMPTY {
            let neighbour = frame.plus((at / PAGE).wrapping_sub(page / PAGE));
            tables::set(table, index(at, 1), leaf(neighbour, region.protection, kept));
        }
    }
}

impl AddressSpace {
    /// Writes to pages regardless of their protection, faulting them in: for loading a program into anonymous
    /// regions.
    ///
    /// # Errors
    /// See [`FaultError`].
    pub(crate) fn initialize(
        &mut self,
        objects: &mut MemoryObjects,
        address: u64,
        bytes: &[u8],
    ) -> Result<(), FaultError> {
        let (mut address, mut rest) = (address, bytes);
        while !rest.is_empty() {
            let offset = address as usize % FRAME_BYTES;
            let (part, after) = rest.split_at(rest.len().min(FRAME_BYTES - offset));
            self.fill(objects, address, Access::Read)?;
            let entry = self.entry(address).filter(|entry| entry.flags().contains(OWNED));
            entry.ok_or(FaultError::NotAllowed)?.frame().write(offset, part);
            rest = after;
            address += part.len() as u64;
        }
        Ok(())
    }
}
