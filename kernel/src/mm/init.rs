//! Initialisation of memory management: from the boot loader's map to page tables, heap and free frames.

use super::{
    frames::{self, FRAME_BYTES, Frame},
    heap, kernel_space,
};
use crate::arch::{self, BootInfo, MemoryRegion};
use capos_kernel_core::frames::FrameAllocator;
use x86_64::PhysAddr;

/// The heap's first memory besides the frame bitmap.
const FIRST_HEAP_BYTES: u64 = 128 * 1024;
/// Memory below this address is not used: it contains firmware data, and is needed for starting other CPUs.
const LOW_LIMIT: u64 = 0x1_0000;
const PAGE: u64 = FRAME_BYTES as u64;

/// Allocates frames from the memory after the kernel's image, in order.
struct EarlyFrames {
    next: u64,
    end: u64,
}

impl EarlyFrames {
    fn new(info: &BootInfo, image: MemoryRegion) -> Option<Self> {
        let region = info.regions().iter().find(|r| r.start <= image.start && image.end < r.end)?;
        let mut early = Self { next: image.end, end: region.end };
        if let Some(module) = info.module().filter(|m| m.end > early.next && m.start < early.end) {
            // Use the larger side of the module.
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

/// Less than this besides kernel and boot package starts no program.
const LEAST_BYTES: u64 = 512 * 1024;

/// The error for too little memory, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLittleMemory {
    /// Available memory.
    pub found: u64,
    /// Required memory.
    pub needed: u64,
}

/// Sets up kernel page tables, heap and frame allocation.
///
/// # Errors
/// If there is too little memory; nothing has changed then.
pub fn init(info: &BootInfo) -> Result<(), TooLittleMemory> {
    let image = arch::image_region();
    let found = info.regions().iter().map(|region| region.end.saturating_sub(region.start)).sum();
    let module = info.module().map_or(0, |module| module.end.saturating_sub(module.start));
    // Below the image there are pages that programs can use, and a hole without memory.
    let needed = LOW_LIMIT + (image.end - image.start) + module + heap_bytes(info) + LEAST_BYTES;
    if found < needed {
        return Err(TooLittleMemory { found, needed });
    }
    // There may be enough memory, but not contiguously after the kernel.
    try_init(info, image).ok_or(TooLittleMemory { found, needed: found + LEAST_BYTES })
}

/// The number of the first frame beyond all memory.
fn frame_limit(info: &BootInfo) -> u64 {
    info.regions().iter().map(|region| region.end / PAGE).max().unwrap_or(0)
}

fn heap_bytes(info: &BootInfo) -> u64 {
    (FIRST_HEAP_BYTES + frame_limit(info) / 4).next_multiple_of(PAGE)
}

fn try_init(info: &BootInfo, image: MemoryRegion) -> Option<()> {
    let mut early = EarlyFrames::new(info, image)?;
    let early_start = early.next;
    kernel_space::init(info.regions(), &mut || {
        let frame = Frame::at(early.take(PAGE)?);
        frame.zero();
        Some(frame)
    })?;

    let (frame_limit, heap_bytes) = (frame_limit(info), heap_bytes(info));
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

/// Adds the parts of `region` that are not in `reserved` (sorted).
fn add_free(allocator: &mut FrameAllocator, region: MemoryRegion, reserved: &[MemoryRegion]) {
    let mut start = region.start;
    for hole in reserved.iter().filter(|hole| hole.end > region.start && hole.start < region.end) {
        allocator.add_range(start.div_ceil(PAGE), hole.start.max(start) / PAGE);
        start = start.max(hole.end);
    }
    allocator.add_range(start.div_ceil(PAGE), region.end / PAGE);
}
