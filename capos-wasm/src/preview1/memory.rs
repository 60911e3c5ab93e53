//! Access to a guest's linear memory; there is no other way to access it.

use super::{Errno, lend::Loan};
use std::{cell::Cell, rc::Rc};

/// Copying this many bytes counts as much as an access.
const BYTES_PER_WORK: u32 = 64;

/// The guest's linear memory, as WASI functions see it.
///
/// Every access takes an offset and a length from the guest, is checked, and borrows the memory anew: no reference
/// to it can be held across an `.await`. Outside a poll of the guest's own call the memory is inaccessible and
/// every access is `EFAULT`.
#[derive(Clone, Default)]
pub struct GuestMemory {
    loan: Rc<Loan>,
    /// The work done with it since [`GuestMemory::take_work`].
    work: Rc<Cell<u64>>,
}

/// An unchecked range of guest memory, as given by the guest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Claim {
    pub(super) offset: u32,
    pub(super) len_bytes: u32,
}

impl GuestMemory {
    /// Lends the guest's memory for accesses made while `f` runs. Called by engines.
    pub fn lend<R>(&self, bytes: &mut [u8], f: impl FnOnce() -> R) -> R {
        self.loan.during(bytes, f)
    }

    /// The only access, which is checked: `f` receives exactly the given range, otherwise the guest receives
    /// `EFAULT`.
    pub(super) fn with<R>(&self, claim: Claim, f: impl FnOnce(&mut [u8]) -> R) -> Result<R, Errno> {
        self.work.set(self.work.get() + 1 + u64::from(claim.len_bytes / BYTES_PER_WORK));
        let access = |bytes: &mut [u8]| {
            let start = claim.offset as usize;
            let end = start.checked_add(claim.len_bytes as usize)?;
            bytes.get_mut(start..end).map(f)
        };
        self.loan.with(access).flatten().ok_or(Errno::Fault)
    }

    /// Checks that a range is within memory, before waiting for what will be written there.
    pub(super) fn check(&self, claim: Claim) -> Result<(), Errno> {
        let work = self.work.get();
        let checked = self.with(claim, |_| ());
        // This accesses nothing, whatever the length of the range.
        self.work.set(work + 1);
        checked
    }

    /// The work done with the memory since the last call: one unit for each access, and one for 64 bytes.
    /// It represents the host's work for the guest.
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

    /// Checks the memory for a `u32` result before the work that produces it.
    pub(super) fn check_u32(&self, offset: u32) -> Result<(), Errno> {
        aligned::<4>(offset)?;
        self.check(Claim { offset, len_bytes: 4 })
    }

    /// Checks the memory for a `u64` result before the work that produces it.
    pub(super) fn check_u64(&self, offset: u32) -> Result<(), Errno> {
        aligned::<8>(offset)?;
        self.check(Claim { offset, len_bytes: 8 })
    }
}

/// The place of a `u64` result in memory that is at hand: where [`GuestMemory::write_u64`] would write.
pub(super) fn place_u64(memory: &mut [u8], offset: u32) -> Option<&mut [u8; 8]> {
    aligned::<8>(offset).ok()?;
    memory.get_mut(offset as usize..)?.first_chunk_mut()
}

/// Structures must be aligned; as in wasmtime, the error is `EINVAL` otherwise.
pub(super) fn aligned<const ALIGN: u32>(offset: u32) -> Result<(), Errno> {
    if offset.is_multiple_of(ALIGN) { Ok(()) } else { Err(Errno::Inval) }
}

#[cfg(test)]
mod tests {
    use super::{GuestMemory, place_u64};

    #[test]
    fn a_place_is_found_wherever_a_write_succeeds_and_nowhere_else() {
        let mut bytes = [0_u8; 40];
        let memory = GuestMemory::default();
        for offset in (0..64).chain([u32::MAX - 8, u32::MAX - 7, u32::MAX]) {
            let written = memory.lend(&mut bytes, || memory.write_u64(offset, u64::MAX)).is_ok();
            let place = place_u64(&mut bytes, offset);
            assert_eq!(place.as_deref(), written.then_some(&[0xff; 8]), "{offset}");
            bytes.fill(0);
        }
    }
}
