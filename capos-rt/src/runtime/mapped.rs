//! Memory objects that are mapped for a time.
#![expect(unsafe_code, reason = "reads and writes memory that was mapped here")]

use super::executor::spawn_local;
use super::grant::virtual_memory;
use crate::local;
use capnp::{Error, Result};
use capos_abi::PAGE_SIZE;
use capos_schema::memory_capnp::memory_object;
use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr;

use super::OutOfRange;

/// Part of the address space, unmapped when dropped.
struct Mapping {
    start: *mut u8,
    /// Usable bytes; whole pages are mapped.
    length: usize,
}

impl Mapping {
    async fn new(object: memory_object::Client, length: u64, is_writable: bool) -> Result<Self> {
        let usable =
            usize::try_from(length).ok().filter(|&length| length != 0 && length <= isize::MAX as usize);
        let usable = usable.ok_or_else(|| Error::failed(format!("{length} bytes cannot be mapped")))?;
        let mut request = virtual_memory().map_object_request();
        request.get().set_object(object);
        request.get().set_length(length.next_multiple_of(PAGE_SIZE));
        let mut protection = request.get().init_protection();
        protection.set_read(true);
        protection.set_write(is_writable);
        let address = request.send().promise.await?.get()?.get_address();
        Ok(Self { start: ptr::with_exposed_provenance_mut(address as usize), length: usable })
    }
}

async fn unmap(address: u64, length: usize) -> Result<()> {
    let mut request = virtual_memory().unmap_request();
    request.get().set_address(address);
    request.get().set_length((length as u64).next_multiple_of(PAGE_SIZE));
    request.send().promise.await.map(drop)
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if local::try_current().is_some() {
            let (address, length) = (self.start.expose_provenance() as u64, self.length);
            spawn_local(async move { unmap(address, length).await.ok() });
        }
    }
}

/// The bytes of a sealed memory object, which never change, mapped for reading until this is dropped.
pub struct SealedMemory(Mapping);

impl SealedMemory {
    /// Maps the first `length` bytes of `object`.
    ///
    /// # Errors
    /// If `object` is not sealed, and the kernel's errors of mapping, for example if the object is smaller.
    pub async fn map(object: memory_object::Client, length: u64) -> Result<Self> {
        let mapping = Mapping::new(object.clone(), length, false).await?;
        // The kernel has mapped it, so it is an object of the kernel, which now says whether it is sealed.
        if !object.size_request().send().promise.await?.get()?.get_sealed() {
            return Err(Error::failed("the memory object is not sealed".into()));
        }
        Ok(Self(mapping))
    }
}

impl Deref for SealedMemory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the kernel mapped at least these bytes for reading, until `self` is dropped. Nothing writes them: the
        // object is sealed.
        unsafe { std::slice::from_raw_parts(self.0.start, self.0.length) }
    }
}

impl fmt::Debug for SealedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedMemory").field("length", &self.0.length).finish_non_exhaustive()
    }
}

/// A memory object that others may write too, mapped until this is dropped. Its bytes are only copied; copied data is
/// untrusted.
pub struct MappedMemory {
    mapping: Mapping,
    is_writable: bool,
}

/// A memory object of this process that begins with these bytes. It is mapped nowhere, and not sealed.
///
/// # Errors
/// As for [`MappedMemory::map`], or if the process may not have so much memory.
pub async fn object_with(bytes: &[u8]) -> Result<memory_object::Client> {
    let length = bytes.len() as u64;
    let mut request = virtual_memory().create_object_request();
    request.get().set_length(length.next_multiple_of(PAGE_SIZE));
    let object = request.send().promise.await?.get()?.get_object()?;
    let memory = MappedMemory::map(object.clone(), length, true).await?;
    memory.write(0, bytes).map_err(|error| Error::failed(error.to_string()))?;
    memory.unmap().await?;
    Ok(object)
}

impl MappedMemory {
    /// Maps the first `length` bytes of `object` for reading and, with `is_writable`, for writing.
    ///
    /// # Errors
    /// The kernel's errors of mapping, for example if the object is smaller.
    pub async fn map(object: memory_object::Client, length: u64, is_writable: bool) -> Result<Self> {
        Ok(Self { mapping: Mapping::new(object, length, is_writable).await?, is_writable })
    }

    /// Number of bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.mapping.length
    }

    /// Unmaps it now; dropping it does so at some later time. An object can be sealed when nothing writable is mapped.
    ///
    /// # Errors
    /// The kernel's errors.
    pub async fn unmap(self) -> Result<()> {
        let mapping = ManuallyDrop::new(self.mapping);
        unmap(mapping.start.expose_provenance() as u64, mapping.length).await
    }

    /// The address of the `length` bytes from `offset`.
    fn part(&self, offset: usize, length: usize) -> std::result::Result<*mut u8, OutOfRange> {
        let end = offset.checked_add(length).ok_or(OutOfRange)?;
        if end > self.mapping.length { Err(OutOfRange) } else { Ok(self.mapping.start.wrapping_add(offset)) }
    }

    /// Stores `data` at `offset`.
    ///
    /// # Errors
    /// If the range is not within the memory, or that is not writable.
    pub fn write(&self, offset: usize, data: &[u8]) -> std::result::Result<(), OutOfRange> {
        let to = self.part(offset, data.len())?;
        if !self.is_writable {
            return Err(OutOfRange);
        }
        // SAFETY: `part` has checked the range, which is mapped for writing as long as `self` exists. No reference to it
        // exists, so `data` does not overlap it.
        unsafe { ptr::copy_nonoverlapping(data.as_ptr(), to, data.len()) };
        Ok(())
    }

    /// Copies the whole of it to the beginning of `to`.
    ///
    /// # Errors
    /// If `to` is shorter, or not writable.
    pub fn copy_to(&self, to: &Self) -> std::result::Result<(), OutOfRange> {
        let (length, target) = (self.mapping.length, to.part(0, self.mapping.length)?);
        if !to.is_writable {
            return Err(OutOfRange);
        }
        // SAFETY: both ranges are mapped as long as the two exist, in different places of the address space; the target
        // is writable. No reference to either exists. Any concurrent value is a valid `u8`.
        unsafe { ptr::copy(self.mapping.start, target, length) };
        Ok(())
    }
}

impl fmt::Debug for MappedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappedMemory").field("length", &self.mapping.length).finish_non_exhaustive()
    }
}
