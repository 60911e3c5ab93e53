//! Single instructions and processor features.

use core::arch::{asm, x86_64::__cpuid};
use x86_64::PhysAddr;

/// Which CPU this is. One runs now; whatever is kept per CPU is found by this number.
#[inline]
pub const fn cpu_index() -> u32 {
    0
}

/// Whether page tables may hold 1 GiB pages.
pub fn has_1g_pages() -> bool {
    __cpuid(0x8000_0001).edx & 1 << 26 != 0
}

/// Switches to the page tables at `root`.
///
/// # Safety
/// They must map everything the kernel uses as the current ones do.
#[inline]
pub unsafe fn load_root(root: PhysAddr) {
    // SAFETY: as the caller promises.
    unsafe { asm!("mov cr3, {}", in(reg) root.as_u64(), options(nostack, preserves_flags)) };
}

/// Writes `count` zero words from `start` on.
///
/// # Safety
/// That memory must be valid for writes and nobody else's.
#[inline]
pub unsafe fn zero_words(start: *mut u64, count: usize) {
    // SAFETY: as the caller promises; the direction flag is clear in the kernel.
    unsafe {
        asm!("rep stosq", inout("rcx") count => _, inout("rdi") start => _, in("rax") 0_u64,
             options(nostack, preserves_flags));
    }
}
