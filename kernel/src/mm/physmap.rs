//! The direct map: all physical memory, readable and writable, in the upper half.

use x86_64::PhysAddr;

/// The virtual address of physical address 0.
pub const BASE: u64 = 0xffff_8000_0000_0000;

/// The kernel's virtual address for `address`.
#[inline]
pub fn pointer<T>(address: PhysAddr) -> *mut T {
    core::ptr::with_exposed_provenance_mut((BASE + address.as_u64()) as usize)
}

/// Reads a plain value from physical memory that firmware or the boot loader filled.
pub fn read<T: Plain>(address: PhysAddr) -> T {
    // SAFETY: the direct map covers all memory in the boot information, `T` is valid for any bytes, and
    // unaligned reads are allowed here.
    unsafe { pointer::<T>(address).read_unaligned() }
}

/// Types for which any bytes are a valid value.
pub trait Plain: Copy {}
impl Plain for u8 {}
impl Plain for u16 {}
impl Plain for u32 {}
impl Plain for u64 {}
impl<T: Plain, const N: usize> Plain for [T; N] {}
