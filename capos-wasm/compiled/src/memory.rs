//! wasmtime's platform interface: address space.
// Unsafe here: the functions are called by name, with addresses.
#![expect(unsafe_code, reason = "wasmtime calls these functions by name")]

use capos_rt::{Access, abi::ErrorCode, abi::PAGE_SIZE, address_space};

const READ: u32 = 1 << 0;
const WRITE: u32 = 1 << 1;
const EXECUTE: u32 = 1 << 2;

/// A result as wasmtime expects it: 0 or an error's number.
pub(crate) fn status(result: Result<(), ErrorCode>) -> i32 {
    match result {
        Ok(()) => 0,
        Err(error) => error as i32,
    }
}

/// Code is executable from its mapping on, and nothing else ever is.
fn access(protection: u32) -> Result<Access, ErrorCode> {
    match protection {
        0 => Ok(Access::None),
        READ => Ok(Access::Read),
        protection if protection == READ | WRITE => Ok(Access::ReadWrite),
        protection if protection & EXECUTE != 0 => Err(ErrorCode::MissingRights),
        _ => Err(ErrorCode::InvalidArgument),
    }
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_mmap_new(size: usize, protection: u32, address: &mut *mut u8) -> i32 {
    let reserved = access(protection).and_then(|access| address_space::reserve(size, access));
    status(reserved.map(|reserved| *address = reserved as *mut u8))
}

/// # Safety
/// As wasmtime guarantees: the range is its own, and nothing uses it.
#[unsafe(no_mangle)]
unsafe extern "C" fn wasmtime_mmap_remap(address: *mut u8, size: usize, protection: u32) -> i32 {
    let remapped = access(protection).and_then(|access| {
        // SAFETY: the range is the caller's.
        unsafe { address_space::unmap(address.addr(), size) }?;
        // SAFETY: as above; the range has just been unmapped.
        unsafe { address_space::reserve_at(address.addr(), size, access) }
    });
    status(remapped)
}

/// # Safety
/// As wasmtime guarantees: the range is its own, and nothing uses it.
#[unsafe(no_mangle)]
unsafe extern "C" fn wasmtime_munmap(address: *mut u8, size: usize) -> i32 {
    // SAFETY: the range is the caller's.
    status(unsafe { address_space::unmap(address.addr(), size) })
}

/// # Safety
/// As wasmtime guarantees: the range is its own.
#[unsafe(no_mangle)]
unsafe extern "C" fn wasmtime_mprotect(address: *mut u8, size: usize, protection: u32) -> i32 {
    // SAFETY: the range is the caller's.
    status(
        access(protection).and_then(|access| unsafe { address_space::protect(address.addr(), size, access) }),
    )
}

/// # Safety
/// As wasmtime guarantees: the range is its own, and nothing relies on its contents.
#[unsafe(no_mangle)]
unsafe extern "C" fn wasmtime_discard(address: *mut u8, size: usize) -> i32 {
    // SAFETY: the range is the caller's.
    status(unsafe { address_space::discard(address.addr(), size) })
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_page_size() -> usize {
    PAGE_SIZE as usize
}
