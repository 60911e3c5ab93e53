//! Layout of the kernel's image, as defined by the linker script.

use super::bootinfo::MemoryRegion;

/// The difference between the kernel's virtual and physical addresses.
pub const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;

unsafe extern "C" {
    static image_start_phys: u8;
    static text_start: u8;
    static text_end: u8;
    static rodata_start: u8;
    static rodata_end: u8;
    static data_start: u8;
    static kernel_stack_guard: u8;
    static kernel_stack_top: u8;
    static image_end: u8;
}

macro_rules! address_of {
    ($symbol:ident) => {
        // Only the symbol's address is used.
        (&raw const $symbol).addr() as u64
    };
}

/// A part of the image with one protection.
#[derive(Clone, Copy, Debug)]
pub struct ImagePart {
    /// First address.
    pub start: u64,
    /// One past the last.
    pub end: u64,
    /// Whether it is writable.
    pub writable: bool,
    /// Whether it is executable.
    pub executable: bool,
}

/// All parts. The page below the boot CPU's kernel stack is in none of them, so an overflow faults.
pub fn image_parts() -> [ImagePart; 4] {
    let guard = address_of!(kernel_stack_guard);
    let part = |start, end, writable, executable| ImagePart { start, end, writable, executable };
    [
        part(address_of!(text_start), address_of!(text_end), false, true),
        part(address_of!(rodata_start), address_of!(rodata_end), false, false),
        part(address_of!(data_start), guard, true, false),
        part(guard + 4096, address_of!(image_end), true, false),
    ]
}

/// The physical memory of the image, in whole pages.
pub fn image_region() -> MemoryRegion {
    MemoryRegion { start: address_of!(image_start_phys), end: address_of!(image_end) - KERNEL_BASE }
}

/// The top of the boot CPU's kernel stack.
pub(super) fn boot_stack_top() -> u64 {
    address_of!(kernel_stack_top)
}

/// Whether 16 bytes at `address` are within the boot CPU's kernel stack.
pub(super) fn is_stack(address: u64) -> bool {
    let (bottom, top) = (address_of!(kernel_stack_guard) + 4096, address_of!(kernel_stack_top));
    address >= bottom && address <= top - 16 && address.is_multiple_of(8)
}
