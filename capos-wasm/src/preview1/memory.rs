//! The only way to a guest's linear memory.

use super::{Errno, lend::Loan};
use std::{cell::Cell, rc::Rc};

/// Copying this many bytes counts as much as an access.
const BYTES_PER_WORK: u32 = 64;

/// The guest's linear memory, as WASI functions see it.
///
/// Every access states an offset and a length that come from the guest, is checked, and borrows the memory
/// anew: nothing of it can be held across an `.await`. Outside a poll of the guest's own call the memory is
/// out of reach and every access is `EFAULT`.
#[derive(Clone, Default)]
pub struct GuestMemory {
    loan: Rc<Loan>,
    /// How much was done with it since [`GuestMemory::take_work`].
    work: Rc<Cell<u64>>,
}

/// A range of guest memory, as the guest claims it: nothing is known about it yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Claim {
    pub(super) offset: u32,
    pub(super) len_bytes: u32,
}

impl GuestMemory {
    /// Lends the guest's memory to accesses made while `f` runs. Called by engines.
    pub fn lend<R>(&self, bytes: &mut [u8], f: impl FnOnce() -> R) -> R {
        self.loan.during(bytes, f)
    }

    /// The one checked access: `f` gets exactly the bytes claimed, or the guest gets `EFAULT`.
    pub(super) fn with<R>(&self, claim: Claim, f: impl FnOnce(&mut [u8]) -> R) -> Result<R, Errno> {
        self.work.set(self.work.get() + 1 + u64::from(claim.len_bytes / BYTES_PER_WORK));
        let access = |bytes: &mut [u8]| {
            let start = claim.offset as usize;
            let end = start.checked_add(claim.len_bytes as usize)?;
            bytes.get_mut(start..end).map(f)
        };
        self.loan.with(access).flatten().ok_or(Errno::Fault)
    }

    /// Checks that a range lies in memory, before waiting for what will be written there.
    pub(super) fn check(&self, claim: Claim) -> Result<(), Errno> {
        let work = self.work.get();
        let checked = self.with(claim, |_| ());
        // It touches nothing, however long the range.
        self.work.set(work + 1);
        checked
    }

    /// How much was done with the memory since the last time this was asked: one for each access, and one for 64 bytes.
    /// It stands for what the host does at the guest's wish.
    pub(super) fn take_work(&self) -> u64 {
        self.work.take()
    }

    pub(super) fn write_bytes(&self, offset: u32, bytes: &[u8]) -> Result<(), Errno> {
        let len_bytes = u32::try_from(bytes.len()).map_err(|_| Errno::Overflow)?;
        self.with(Claim { offset, len_bytes }, |target| target.copy_from_slice(bytes))
    }

    pub(super) fn read_array<const LEN: usize>(&self, offset: u32) -> Result<[u8; LEN], Errno> {
        let mut array = [0; LEN];
        let claim = Claim { offset, len_bytes: LEN as u32 };
        self.with(claim, |source| array.copy_from_slice(source))?;
        Ok(array)
    }

    pub(super) fn write_u32(&self, offset: u32, value: u32) -> Result<(), Errno> {
        aligned::<4>(offset)?;
        self.write_bytes(offset, &value.to_le_bytes())
    }

    pub(super) fn write_u64(&self, offset: u32, value: u64) -> Result<(), Errno> {
        aligned::<8>(offset)?;
        self.write_bytes(offset, &value.to_le_bytes())
    }

    /// Checks a place for a `u32` result before the work that yields it.
    pub(super) fn check_u32(&self, offset: u32) -> Result<(), Errno> {
        aligned::<4>(offset)?;
        self.check(Claim { offset, len_bytes: 4 })
    }

    /// Checks a place for a `u64` result before the work that yields it.
    pub(super) fn check_u64(&self, offset: u32) -> Result<(), Errno> {
        aligned::<8>(offset)?;
        self.check(Claim { offset, len_bytes: 8 })
    }
}

/// Structures must lie at a multiple of their alignment; wasmtime answers `EINVAL` otherwise.
pub(super) fn aligned<const ALIGN: u32>(offset: u32) -> Result<(), Errno> {
    if offset.is_multiple_of(ALIGN) { Ok(()) } else { Err(Errno::Inval) }
}
