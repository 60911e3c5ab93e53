//! The only way from a user address to memory: a walk through the page tables of its process, with every check
//! that the processor would make.

use super::{
    frames::{FRAME_BYTES, Frame},
    objects::MemoryObjects,
    space::{Access, AddressSpace},
};
use capos_abi::{ErrorCode, USER_END};
use capos_kernel_core::ipc::CopyFault;
use core::ops::Range;

/// The part of `length` bytes from `address` that is in the first page.
#[inline]
fn first_part(address: u64, length: usize) -> (usize, usize) {
    let offset = address as usize % FRAME_BYTES;
    (offset, length.min(FRAME_BYTES - offset))
}

#[inline]
fn check_range(address: u64, length: usize) -> Result<(), ErrorCode> {
    match address.checked_add(length as u64) {
        Some(end) if end <= USER_END => Ok(()),
        _ => Err(ErrorCode::BadAddress),
    }
}

/// Copies `length` bytes between the frames that `frames` finds for a source and a target address. If it does not find
/// all of them, nothing is copied.
#[inline]
fn copy(
    from: u64,
    to: u64,
    length: usize,
    mut frames: impl FnMut(u64, u64) -> Result<(Frame, Frame), CopyFault>,
) -> Result<(), CopyFault> {
    check_range(from, length).map_err(|_| CopyFault::Source)?;
    check_range(to, length).map_err(|_| CopyFault::Destination)?;
    let step = |done: usize| {
        let (source, target) = (from + done as u64, to + done as u64);
        let (source_offset, count) = first_part(source, length - done);
        let (target_offset, count) = first_part(target, count);
        (source, target, source_offset, target_offset, count)
    };
    // The first step needs no look-ahead: only later ones could fail after something was copied. Pages that were
    // found stay mapped, because only the process itself unmaps them.
    let (.., mut found) = step(0);
    while found < length {
        let (source, target, .., count) = step(found);
        frames(source, target)?;
        found += count;
    }
    let mut done = 0;
    while done < length {
        let (source, target, source_offset, target_offset, count) = step(done);
        let (source, target) = frames(source, target)?;
        target.copy_from(target_offset, source, source_offset, count);
        done += count;
    }
    Ok(())
}

/// Copies a short range within or between address spaces. `false`, without copying anything, if it crosses a page, was
/// not used recently, is not accessible in that way on either side, or might overlap itself.
#[inline(always)]
pub(crate) fn copy_recent(
    source: &AddressSpace,
    from: u64,
    target: &AddressSpace,
    to: u64,
    length: usize,
) -> bool {
    let Some((from, offset)) = source.recent_entry(from, length, Access::Read) else { return false };
    let from = from.byte(offset);
    let Some((into, offset)) = target.recent_entry(to, length, Access::Write) else { return false };
    let into = into.byte(offset);
    if (from.addr() ^ into.addr()) < FRAME_BYTES {
        return false;
    }
    // SAFETY: each range is within a page that its process may access in that way, and the pages are
    // different.
    unsafe { crate::arch::copy_bytes(from, into, length) };
    true
}

impl AddressSpace {
    /// Copies `into.len()` bytes from user memory.
    ///
    /// # Errors
    /// `BadAddress` if the process could not read all of it.
    #[inline]
    pub fn copy_in(
        &mut self,
        objects: &mut MemoryObjects,
        address: u64,
        into: &mut [u8],
    ) -> Result<(), ErrorCode> {
        if let Some((entry, offset)) = self.recent_entry(address, into.len(), Access::Read) {
            entry.frame().read(offset, into);
            return Ok(());
        }
        self.copy_in_parts(objects, address, into)
    }

    fn copy_in_parts(
        &mut self,
        objects: &mut MemoryObjects,
        address: u64,
        into: &mut [u8],
    ) -> Result<(), ErrorCode> {
        check_range(address, into.len())?;
        self.parts(objects, address, into.len(), Access::Read, |frame, offset, range| {
            if let Some(part) = into.get_mut(range) {
                frame.read(offset, part);
            }
        })
    }

    /// Calls `each` for the part of a range in each of its pages, with the offset in the page.
    fn parts(
        &mut self,
        objects: &mut MemoryObjects,
        address: u64,
        length: usize,
        access: Access,
        mut each: impl FnMut(Frame, usize, Range<usize>),
    ) -> Result<(), ErrorCode> {
        let mut done = 0;
        while done < length {
            let at = address + done as u64;
            let (offset, count) = first_part(at, length - done);
            let frame = self.frame_at(objects, at, access).map_err(|_| ErrorCode::BadAddress)?;
            each(frame, offset, done..done + count);
            done += count;
        }
        Ok(())
    }

    /// Copies bytes to user memory.
    ///
    /// # Errors
    /// `BadAddress` if the process could not write all of it; then nothing is written.
    #[inline]
    pub fn copy_out(
        &mut self,
        objects: &mut MemoryObjects,
        address: u64,
        from: &[u8],
    ) -> Result<(), ErrorCode> {
        if let Some((entry, offset)) = self.recent_entry(address, from.len(), Access::Write) {
            entry.frame().write(offset, from);
            return Ok(());
        }
        self.copy_out_parts(objects, address, from)
    }

    fn copy_out_parts(
        &mut self,
        objects: &mut MemoryObjects,
        address: u64,
        from: &[u8],
    ) -> Result<(), ErrorCode> {
        check_range(address, from.len())?;
        if first_part(address, from.len()).1 < from.len() {
            self.parts(objects, address, from.len(), Access::Write, |_, _, _| {})?;
        }
        self.parts(objects, address, from.len(), Access::Write, |frame, offset, range| {
            frame.write(offset, from.get(range).unwrap_or_default());
        })
    }

    /// Copies bytes from this address space to another, or within it.
    ///
    /// # Errors
    /// The side that is inaccessible; then nothing is copied.
    #[inline]
    pub fn copy_across(
        &mut self,
        objects: &mut MemoryObjects,
        from: u64,
        mut other: Option<&mut Self>,
        to: u64,
        length: usize,
    ) -> Result<(), CopyFault> {
        copy(from, to, length, |source, target| {
            let source = self.frame_at(objects, source, Access::Read).map_err(|_| CopyFault::Source)?;
            let other = other.as_deref_mut().unwrap_or(self);
            let target = other.frame_at(objects, target, Access::Write);
            Ok((source, target.map_err(|_| CopyFault::Destination)?))
        })
    }

    /// Reads a word of user memory.
    ///
    /// # Errors
    /// `BadAddress` if the process could not read it or it is misaligned.
    pub fn read_u32(&mut self, objects: &mut MemoryObjects, address: u64) -> Result<u32, ErrorCode> {
        if !address.is_multiple_of(4) {
            return Err(ErrorCode::BadAddress);
        }
        let mut bytes = [0; 4];
        self.copy_in(objects, address, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }
}
