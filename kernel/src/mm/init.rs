//! Start of memory management: from the boot loader's map to tables, heap and free frames.

use super::{
    frames::{self, FRAME_BYTES, Frame},
    heap, kernel_space,
};
use crate::arch::{self, BootInfo, MemoryRegion};
use capos_kernel_core::frames::FrameAllocator;
use x86_64::PhysAddr;

/// The heap's first memory besides the frame bitmap.
const FIRST_HEAP_BYTES: u64 = 128 * 1024;
/// Memory below this address is left alone: firmware data, and room to start other CPUs.
const LOW_LIMIT: u64 = 0x1_0000;
const PAGE: u64 = FRAME_BYTES as u64;

/// Hands out frames from the memory behind the kernel's image, in order.
struct EarlyFrames {
    next: u64,
    end: u64,
}

impl EarlyFrames {
    fn new(info: &BootInfo, image: MemoryRegion) -> Option<Self> {
        let region = info.regions().iter().find(|r| r.start <= image.start && image.end < r.end)?;
        let mut early = Self { next: image.end, end: region.end };
        if let Some(module) = info.module().filter(|m| m.end > early.next && m.start < early.end) {
            // Take the larger side of the module.
            if module.start.saturating_sub(early.next) > early.end.saturating_sub(module.end) {
                early.end = module.start / PAGE * PAGE;
            } else {
                early.next = module.end.next_multiple_of(PAGE);
            }
        }
        Some(early)
    }

    fn take(&mut self, length: u64) -> Option<PhysAddr> {
        let start = self.next;
        self.next = start.checked_add(length.next_multiple_of(PAGE))?;
        (self.next <= self.end).then(|| PhysAddr::new_truncate(start))
    }
}

/// Sets up kernel page tables, heap and frame allocation.
pub fn init(info: &BootInfo) {
    try_init(info).expect("the machine has too little memory to start the kernel");
}

fn try_init(info: &BootInfo) -> Option<()> {
    let image = arch::image_region();
    let mut early = EarlyFrames::new(info, image)?;
    let early_start = early.next;
    kernel_space::init(info.regions(), &mut || {
        let frame = Frame::at(early.take(PAGE)?);
        frame.zero();
        Some(frame)
    })?;

    let frame_limit = info.regions().iter().map(|region| region.end / PAGE).max()?;
    let heap_bytes = FIRST_HEAP_BYTES + frame_limit / 4;
    let heap_bytes = heap_bytes.next_multiple_of(PAGE);
    heap::init(early.take(heap_bytes)?, usize::try_from(heap_bytes).ok()?);

    let mut allocator = FrameAllocator::new(frame_limit).ok()?;
    let mut reserved = [
        MemoryRegion { start: 0, end: LOW_LIMIT },
        MemoryRegion { start: image.start, end: image.end },
        MemoryRegion { start: early_start, end: early.next },
        info.module().unwrap_or_default(),
    ];
    reserved.sort_unstable_by_key(|region| region.start);
    for region in info.regions() {
        add_free(&mut allocator, *region, &reserved);
    }
    frames::init(allocator);
    heap::init_large().ok()
}

/// Adds what of `region` is not in `reserved` (sorted).
fn add_free(allocator: &mut FrameAllocator, region: MemoryRegion, reserved: &[MemoryRegion]) {
    let mut start = region.start;
    for hole in reserved.iter().filter(|hole| hole.end > region.start && hole.start < region.end) {
        allocator.add_range(start.div_ceil(PAGE), hole.start.max(start) / PAGE);
        start = start.max(hole.end);
    }
    allocator.add_range(start.div_ceil(PAGE), region.end / PAGE);
}
