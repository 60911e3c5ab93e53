//! Mapped code: sealed objects, each mapped once for as long as wasmtime uses it.
// Unsafe here: unmapping memory that this module mapped.
#![expect(unsafe_code, reason = "unmaps what it mapped")]

use capos_rt::{Access, address_space};
use capos_schema::{compiler_capnp::code_lease, memory_capnp::memory_object};
use std::{cell::RefCell, ops::Range, ptr::NonNull};
use wasmtime::CustomCodeMemory;

thread_local! {
    static MAPPED: RefCell<Vec<Mapped>> = const { RefCell::new(Vec::new()) };
}

/// A mapping of code, in the one thread that runs WebAssembly.
struct Mapped {
    addresses: Range<usize>,
    object: memory_object::Client,
    /// Keeps the code with the compiler, for others that start the same module.
    _lease: code_lease::Client,
}

/// Maps an artifact for reading and executing.
pub(crate) fn map(
    object: memory_object::Client,
    length: u64,
    lease: code_lease::Client,
) -> Result<NonNull<[u8]>, String> {
    let whole = length.checked_next_multiple_of(capos_rt::abi::PAGE_SIZE);
    // 64-bit addresses.
    let whole = whole.ok_or("its code is too long")? as usize;
    let address = address_space::map_object(&object, 0, whole, Access::ReadExecute)
        .map_err(|error| format!("its code cannot be mapped: {}", error.message()))?;
    let bytes = NonNull::new(address as *mut u8).ok_or("its code cannot be mapped")?;
    let addresses = address..address + whole;
    MAPPED.with_borrow_mut(|all| all.push(Mapped { addresses, object, _lease: lease }));
    Ok(NonNull::slice_from_raw_parts(bytes, length as usize))
}

/// Unmaps the code that `address` belongs to, if it is still mapped.
///
/// # Safety
/// Nothing uses that code any more.
pub(crate) unsafe fn unmap(address: usize) {
    let mapped = MAPPED.with_borrow_mut(|all| {
        let index = all.iter().position(|mapped| mapped.addresses.contains(&address))?;
        Some(all.swap_remove(index))
    });
    if let Some(Mapped { addresses, .. }) = mapped {
        // SAFETY: the mapping was made by `map` and is used by nobody, as the caller guarantees.
        // If it fails, the mapping stays.
        let _ = unsafe { address_space::unmap(addresses.start, addresses.len()) };
    }
}

/// The object that the bytes at these addresses are mapped from, and their offset in it.
pub(crate) fn object_of(addresses: &Range<usize>) -> Option<(memory_object::Client, u64)> {
    MAPPED.with_borrow(|all| {
        let mapped = all.iter().find(|mapped| {
            mapped.addresses.contains(&addresses.start) && addresses.end <= mapped.addresses.end
        })?;
        Some((mapped.object.clone(), (addresses.start - mapped.addresses.start) as u64))
    })
}

/// Tells wasmtime that code is executable where it is, and unmaps it when wasmtime has no use for it any more.
pub(crate) struct SealedCode;

impl CustomCodeMemory for SealedCode {
    fn required_alignment(&self) -> usize {
        capos_rt::abi::PAGE_SIZE as usize
    }

    fn publish_executable(&self, _address: *const u8, _length: usize) -> wasmtime::Result<()> {
        Ok(())
    }

    fn unpublish_executable(&self, address: *const u8, _length: usize) -> wasmtime::Result<()> {
        // SAFETY: wasmtime calls this when it drops the code, which nothing runs or reads afterwards.
        unsafe { unmap(address.addr()) };
        Ok(())
    }
}
