//! Memory that other processes or devices read and write too.
#![expect(unsafe_code, reason = "copies to and from memory that was mapped here")]

use super::grant::virtual_memory;
use capnp::{Error, Result};
use capos_schema::memory_capnp::memory_object;
use std::fmt;
use std::ptr::{self, NonNull};

/// A memory object, mapped to read and write for as long as the process lives. Nothing ever refers to its bytes: they are
/// only copied, because others may change them at any time. What is copied out is theirs to choose, so check it.
pub struct SharedMemory {
    start: *mut u8,
    length: usize,
}

/// A copy that would begin or end outside the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange;

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outside the shared memory")
    }
}

impl std::error::Error for OutOfRange {}

/// Maps the first `length` bytes of `object` to read and write, for as long as the process lives, and says where.
///
/// # Errors
/// Those of the kernel for the mapping, for example that the object is smaller.
pub async fn map_shared(object: memory_object::Client, length: u64) -> Result<NonNull<[u8]>> {
    let mut request = virtual_memory().map_object_request();
    request.get().set_object(object);
    request.get().set_length(length);
    let mut protection = request.get().init_protection();
    protection.set_read(true);
    protection.set_write(true);
    let address = request.send().promise.await?.get()?.get_address();
    let place = usize::try_from(address).ok().zip(usize::try_from(length).ok());
    place
        .and_then(|(address, length)| {
            let start = NonNull::new(ptr::with_exposed_provenance_mut(address))?;
            Some(NonNull::slice_from_raw_parts(start, length))
        })
        .ok_or_else(|| Error::failed("an address out of reach".into()))
}

impl SharedMemory {
    /// Maps the first `length` bytes of `object`.
    ///
    /// # Errors
    /// As [`map_shared`].
    pub async fn map(object: memory_object::Client, length: u64) -> Result<Self> {
        let mapped = map_shared(object, length).await?;
        Ok(Self { start: mapped.cast().as_ptr(), length: mapped.len() })
    }

    /// How many bytes there are.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// The address of `length` bytes from `offset` on.
    fn part(&self, offset: usize, length: usize) -> std::result::Result<*mut u8, OutOfRange> {
        let end = offset.checked_add(length).ok_or(OutOfRange)?;
        if end > self.length { Err(OutOfRange) } else { Ok(self.start.wrapping_add(offset)) }
    }

    /// Fills `out` from `offset` on.
    ///
    /// # Errors
    /// If the memory ends before.
    pub fn read(&self, offset: usize, out: &mut [u8]) -> std::result::Result<(), OutOfRange> {
        let from = self.part(offset, out.len())?;
        // SAFETY: the bytes are mapped for the life of the process (`part` has checked the range), and nothing in this
        // process refers to them, so `out` is apart from them. Any value that they have meanwhile is a valid `u8`.
        unsafe { ptr::copy_nonoverlapping(from, out.as_mut_ptr(), out.len()) };
        Ok(())
    }

    /// Stores `data` from `offset` on.
    ///
    /// # Errors
    /// If the memory ends before.
    pub fn write(&self, offset: usize, data: &[u8]) -> std::result::Result<(), OutOfRange> {
        let to = self.part(offset, data.len())?;
        // SAFETY: as for `read`; the mapping is writable.
        unsafe { ptr::copy_nonoverlapping(data.as_ptr(), to, data.len()) };
        Ok(())
    }
}

impl fmt::Debug for SharedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedMemory").field("length", &self.length).finish_non_exhaustive()
    }
}
