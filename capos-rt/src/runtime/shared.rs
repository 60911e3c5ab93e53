//! Memory shared with other processes or devices, which write it too.
#![expect(unsafe_code, reason = "copies to and from memory that was mapped here")]

use super::grant::virtual_memory;
use capnp::{Error, Result};
use capos_schema::memory_capnp::memory_object;
use std::fmt;
use std::ptr::{self, NonNull};

/// A memory object, mapped for reading and writing for the life of the process. No reference to its bytes ever exists:
/// they are only copied, because others may change them at any time. Copied data is untrusted and must be checked.
pub struct SharedMemory {
    start: *mut u8,
    length: usize,
}

/// The error for a copy that is not within the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange;

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outside the shared memory")
    }
}

impl std::error::Error for OutOfRange {}

/// Maps the first `length` bytes of `object` for reading and writing, for the life of the process, and returns
/// the address.
///
/// # Errors
/// The kernel's errors of mapping, for example if the object is smaller.
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
        .ok_or_else(|| Error::failed("address does not fit a pointer".into()))
}

impl SharedMemory {
    /// Maps the first `length` bytes of `object`.
    ///
    /// # Errors
    /// As for [`map_shared`].
    pub async fn map(object: memory_object::Client, length: u64) -> Result<Self> {
        let mapped = map_shared(object, length).await?;
        Ok(Self { start: mapped.cast().as_ptr(), length: mapped.len() })
    }

    /// Number of bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// The address of the `length` bytes from `offset`.
    fn part(&self, offset: usize, length: usize) -> std::result::Result<*mut u8, OutOfRange> {
        let end = offset.checked_add(length).ok_or(OutOfRange)?;
        if end > self.length { Err(OutOfRange) } else { Ok(self.start.wrapping_add(offset)) }
    }

    /// Fills `out` from `offset`.
    ///
    /// # Errors
    /// If the range is not within the memory.
    pub fn read(&self, offset: usize, out: &mut [u8]) -> std::result::Result<(), OutOfRange> {
        let from = self.part(offset, out.len())?;
        // SAFETY: the bytes are mapped for the life of the process (`part` has checked the range), and nothing in this
        // process refers to them, so `out` does not overlap them. Any concurrent value is a valid `u8`.
        unsafe { ptr::copy_nonoverlapping(from, out.as_mut_ptr(), out.len()) };
        Ok(())
    }

    /// Stores `data` at `offset`.
    ///
    /// # Errors
    /// If the range is not within the memory.
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
