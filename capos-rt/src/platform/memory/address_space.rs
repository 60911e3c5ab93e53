//! Synchronous management of the process's own address space, for programs that place memory themselves. Addresses and lengths
//! are multiples of the page size. See `schema/memory.capnp` for the errors.

use super::{Access, MEMORY_MAP_OBJECT, MEMORY_MAP_PRIVATE, map};
use crate::runtime::handle_of;
use capos_abi::ErrorCode;
use capos_schema::memory_capnp::memory_object;

/// Reserves demand-zero pages at an address chosen by the kernel; without access they are a guard. Needs no memory.
///
/// # Errors
/// The kernel's.
pub fn reserve(length: usize, access: Access) -> Result<usize, ErrorCode> {
    super::reserve(length, access)
}

/// Changes the permitted accesses to pages.
///
/// # Safety
/// Nothing uses the pages in a way that is no longer permitted.
///
/// # Errors
/// The kernel's.
pub unsafe fn protect(address: usize, length: usize, access: Access) -> Result<(), ErrorCode> {
    super::protect(address, length, access)
}

/// Unmaps a range.
///
/// # Safety
/// Nothing uses the range.
///
/// # Errors
/// The kernel's.
pub unsafe fn unmap(address: usize, length: usize) -> Result<(), ErrorCode> {
    super::unmap(address, length)
}

/// Frees the process's own frames in a range, which then reads as zero, or as the object that is mapped privately.
///
/// # Safety
/// Nothing relies on the contents.
///
/// # Errors
/// The kernel's.
pub unsafe fn discard(address: usize, length: usize) -> Result<(), ErrorCode> {
    super::discard(address, length)
}

/// Maps a part of an object where the kernel chooses. The mapping keeps the object's memory.
///
/// # Errors
/// The kernel's; `BadCapability` if the client is of no capability in this process's table.
pub fn map_object(
    object: &memory_object::Client,
    offset: u64,
    length: usize,
    access: Access,
) -> Result<usize, ErrorCode> {
    let handle = handle_of(object).ok_or(ErrorCode::BadCapability)?;
    map(MEMORY_MAP_OBJECT, handle, offset, length, 0, access)
}

/// Maps a part of an object copy on write at an address, where nothing is mapped yet.
///
/// # Safety
/// The range is the caller's, and nothing relies on its being unmapped.
///
/// # Errors
/// The kernel's; `BadCapability` if the client is of no capability in this process's table.
pub unsafe fn map_private_at(
    object: &memory_object::Client,
    offset: u64,
    length: usize,
    address: usize,
) -> Result<(), ErrorCode> {
    let handle = handle_of(object).ok_or(ErrorCode::BadCapability)?;
    map(MEMORY_MAP_PRIVATE, handle, offset, length, address, Access::ReadWrite).map(drop)
}

/// Reserves demand-zero pages at an address, where nothing is mapped yet.
///
/// # Safety
/// The range is the caller's, and nothing relies on its being unmapped.
///
/// # Errors
/// The kernel's.
pub unsafe fn reserve_at(address: usize, length: usize, access: Access) -> Result<(), ErrorCode> {
    super::reserve_at(address, length, access).map(drop)
}
