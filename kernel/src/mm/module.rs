//! The boot module: memory filled by the boot loader and not modified.

use super::{frames::Frame, physmap};
use crate::arch::MemoryRegion;
use x86_64::PhysAddr;

/// The module's bytes. They are never written: the module's memory is not in the frame allocator, and
/// capabilities to its memory object never have the WRITE right.
pub fn module_bytes(module: MemoryRegion) -> &'static [u8] {
    let length = usize::try_from(module.end.saturating_sub(module.start)).unwrap_or_default();
    // SAFETY: the direct map covers the module, which is RAM reported by the boot loader, and it is never written
    // (see above).
    unsafe { core::slice::from_raw_parts(physmap::pointer(PhysAddr::new_truncate(module.start)), length) }
}

/// The module's first frame and its length in pages.
pub fn module_frames(module: MemoryRegion) -> (Frame, u64) {
    let pages = (module.end - module.start).div_ceil(super::frames::FRAME_BYTES as u64);
    (Frame::at(PhysAddr::new_truncate(module.start)), pages)
}
