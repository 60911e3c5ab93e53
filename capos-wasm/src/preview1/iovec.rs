//! Lists of buffers, as used by reading and writing functions.

use super::{
    Errno, GuestMemory,
    memory::{Claim, aligned},
};

/// Longer lists are refused, as `IOV_MAX` does elsewhere.
const MAX_IOVECS: u32 = 1024;

/// A guest's list of buffers, all of which are within its memory. This remains true while it is used, because the
/// guest does not run meanwhile and memories never shrink.
#[derive(Clone, Copy)]
pub(super) struct Iovecs {
    array: u32,
    len: u32,
    /// The next buffer, and the number of bytes of it that were used.
    index: u32,
    used: u32,
    /// The total length of all buffers, limited to 32 bits.
    total: u32,
}

impl Iovecs {
    /// Checks the list of `len` buffers at `array`.
    pub(super) fn check(memory: &GuestMemory, array: u32, len: u32) -> Result<Self, Errno> {
        if len > MAX_IOVECS {
            return Err(Errno::Inval);
        }
        let mut total = 0u32;
        for index in 0..len {
            let claim = read(memory, array, index)?;
            memory.check(claim)?;
            total = total.saturating_add(claim.len_bytes);
        }
        Ok(Self { array, len, index: 0, used: 0, total })
    }

    pub(super) fn total(&self) -> u32 {
        self.total
    }

    /// Fills `target` from the buffers, continuing after the last transfer.
    pub(super) fn gather(&mut self, memory: &GuestMemory, target: &mut [u8]) -> Result<(), Errno> {
        let mut rest = target;
        while !rest.is_empty() {
            let claim = self.next(memory, rest.len())?;
            let (piece, after) = rest.split_at_mut(claim.len_bytes as usize);
            memory.with(claim, |source| piece.copy_from_slice(source))?;
            rest = after;
        }
        Ok(())
    }

    /// Passes the next `count` bytes to `take`, in pieces.
    pub(super) fn pass(
        &mut self,
        memory: &GuestMemory,
        count: u32,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), Errno> {
        let mut left = count;
        while left > 0 {
            let claim = self.next(memory, left as usize)?;
            memory.with(claim, |source| take(source))?;
            left -= claim.len_bytes;
        }
        Ok(())
    }

    /// Copies as much of `source` to the buffers as fits, continuing after the last transfer, and
    /// returns the number of bytes.
    pub(super) fn scatter(&mut self, memory: &GuestMemory, source: &[u8]) -> Result<usize, Errno> {
        let mut rest = source;
        while !rest.is_empty() && self.index < self.len {
            let claim = self.next(memory, rest.len())?;
            let (piece, after) = rest.split_at(claim.len_bytes as usize);
            memory.with(claim, |target| target.copy_from_slice(piece))?;
            rest = after;
        }
        Ok(source.len() - rest.len())
    }

    /// Takes the next part, up to `most` bytes of one buffer.
    fn next(&mut self, memory: &GuestMemory, most: usize) -> Result<Claim, Errno> {
        if self.index >= self.len {
            return Err(Errno::Fault);
        }
        let whole = read(memory, self.array, self.index)?;
        let left = whole.len_bytes.saturating_sub(self.used);
        let count = left.min(u32::try_from(most).unwrap_or(u32::MAX));
        let offset = whole.offset.wrapping_add(self.used);
        match count == left {
            true => (self.index, self.used) = (self.index + 1, 0),
            false => self.used += count,
        }
        Ok(Claim { offset, len_bytes: count })
    }
}

/// Reads the `index`th entry of an array of `iovec` or `ciovec` at `array`.
fn read(memory: &GuestMemory, array: u32, index: u32) -> Result<Claim, Errno> {
    aligned::<4>(array)?;
    let offset = index.checked_mul(8).and_then(|skip| array.checked_add(skip)).ok_or(Errno::Fault)?;
    let [a, b, c, d, e, f, g, h] = memory.read_array(offset)?;
    Ok(Claim { offset: u32::from_le_bytes([a, b, c, d]), len_bytes: u32::from_le_bytes([e, f, g, h]) })
}
