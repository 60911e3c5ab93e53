//! The boot module: memory that the boot loader filled and that stays as it is.

use super::{frames::Frame, physmap};
use crate::arch::MemoryRegion;
use x86_64::PhysAddr;

/// The module's bytes. No one ever writes them: the module's memory is not in the frame allocator, and the memory
/// object around it is never given out with the WRITE right.
pub fn module_bytes(module: MemoryRegion) -> &'static [u8] {
    let length = usize::try_from(module.end.saturating_sub(module.start)).unwrap_or_default();
    // SAFETY: the direct map covers the module, which is RAM that the boot loader reported, and nothing writes it
    // (see above).
    unsafe { core::slice::from_raw_parts(physmap::pointer(PhysAddr::new_truncate(module.start)), length) }
}

/// The module's first frame and its length in pages.
pub fn module_frames(module: MemoryRegion) -> (Frame, u64) {
    let pages = (module.end - module.start).div_ceil(super::frames::FRAME_BYTES as u64);
    (Frame::at(PhysAddr::new_truncate(module.start)), pages)
}
