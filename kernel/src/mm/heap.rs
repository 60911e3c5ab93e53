//! The kernel's heap. Small blocks come from a two-level segregated-fit allocator that grows by whole frames; allocation
//! and freeing take constant time. Large blocks ([`large`]) have address space for growing without being copied.
//!
//! Memory can run out at any time, so all allocations that a process can cause are fallible. Code that cannot allocate
//! fallibly (the `capnp` crate) uses the memory reserved for [`with_scratch`].

mod large;

use super::{frames, kernel_space, physmap, trial};
use crate::arch::Lock;
use capos_kernel_core::OutOfMemory;
use core::{
    alloc::{GlobalAlloc, Layout},
    ptr::NonNull,
};
use large::LargeBlocks;
use rlsf::Tlsf;
use x86_64::PhysAddr;

/// Start of the growing part.
const GROWTH_BASE: u64 = kernel_space::HEAP_BASE;
/// Minimum growth in bytes.
const GROWTH_STEP: usize = 64 * 1024;

/// Blocks up to this size may use the kernel's reserve.
const SMALL_BYTES: usize = 2048;
/// Blocks of at least this size can grow in place.
const LARGE_BYTES: usize = 32 * 1024;
/// Memory for allocations that live only while a message is built or read.
const SCRATCH_BYTES: usize = 16 * 1024;

type Pool = Tlsf<'static, u32, u32, 24, 16>;

struct Heap {
    pool: Pool,
    grown_to: u64,
    bytes: usize,
    /// Present once there are frames.
    large: Option<LargeBlocks>,
    scratch: Pool,
    /// Address of the scratch memory.
    scratch_start: usize,
    in_scratch: bool,
}

struct KernelHeap(Lock<Heap>);

#[global_allocator]
static HEAP: KernelHeap = KernelHeap(Lock::new(Heap {
    pool: Tlsf::new(),
    grown_to: GROWTH_BASE,
    bytes: 0,
    large: None,
    scratch: Tlsf::new(),
    scratch_start: 0,
    in_scratch: false,
}));

/// Bytes that the heap has allocated as frames.
pub fn bytes() -> usize {
    HEAP.0.lock().bytes
}

/// Gives the heap its first memory, which nothing else may use from now on.
pub(super) fn init(start: PhysAddr, length: usize) {
    let mut heap = HEAP.0.lock();
    if let Some(pointer) = NonNull::new(physmap::pointer::<u8>(start)) {
        // SAFETY: the caller passes ownership of this memory, and the direct map covers it.
        unsafe { heap.pool.insert_free_block_ptr(NonNull::slice_from_raw_parts(pointer, length)) };
        heap.bytes = length;
    }
    let scratch = Layout::new::<[u128; SCRATCH_BYTES / size_of::<u128>()]>();
    if let Some(pointer) = heap.pool.allocate(scratch) {
        heap.scratch_start = pointer.as_ptr().expose_provenance();
        // SAFETY: the block was just allocated from the pool and is never freed.
        unsafe { heap.scratch.insert_free_block_ptr(NonNull::slice_from_raw_parts(pointer, SCRATCH_BYTES)) };
    }
}

/// Enables separate large blocks, once frames can be allocated.
pub(super) fn init_large() -> Result<(), OutOfMemory> {
    let large = LargeBlocks::new()?;
    HEAP.0.lock().large = Some(large);
    Ok(())
}

/// Runs `work` with allocations from memory reserved at the start, so that they cannot fail. For code that allocates
/// little and keeps none of it beyond the current call.
pub fn with_scratch<R>(work: impl FnOnce() -> R) -> R {
    let outer = core::mem::replace(&mut HEAP.0.lock().in_scratch, true);
    let result = work();
    HEAP.0.lock().in_scratch = outer;
    result
}

impl Heap {
    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        if self.in_scratch
            && let Some(block) = self.scratch.allocate(layout)
        {
            return Some(block);
        }
        if trial::fails() {
            return None;
        }
        if layout.size() >= LARGE_BYTES
            && let Some(large) = &mut self.large
        {
            let block = large.allocate(layout.size())?;
            self.bytes += large::held(layout.size());
            return Some(block);
        }
        if let Some(block) = self.pool.allocate(layout) {
            return Some(block);
        }
        self.grow(layout)?;
        self.pool.allocate(layout)
    }

    /// Frees a block that [`Self::allocate`] returned for this layout.
    ///
    /// # Safety
    /// The block must not be used any more.
    unsafe fn deallocate(&mut self, block: NonNull<u8>, layout: Layout) {
        let address = block.as_ptr().expose_provenance();
        if let Some(large) = &mut self.large
            && LargeBlocks::is_one(address)
        {
            large.release(address, layout.size());
            self.bytes -= large::held(layout.size());
            return;
        }
        let in_scratch = (self.scratch_start..self.scratch_start + SCRATCH_BYTES).contains(&address);
        let pool = if in_scratch { &mut self.scratch } else { &mut self.pool };
        // SAFETY: the block came from this pool, as its address shows, and is unused by this function's
        // contract.
        unsafe { pool.deallocate(block, layout.align()) };
    }

    /// Grows or shrinks a large block without copying it. `None`, without any change, if it is not large, would not be
    /// large, or memory is exhausted.
    fn resize(&mut self, block: NonNull<u8>, old: usize, new: usize) -> Option<NonNull<u8>> {
        let address = block.as_ptr().expose_provenance();
        let large = self.large.as_mut()?;
        let moved = large.resize(address, old, new)?;
        self.bytes = self.bytes - large::held(old) + large::held(new);
        Some(moved)
    }

    #[cold]
    fn grow(&mut self, layout: Layout) -> Option<()> {
        // Twice the request covers alignment and the allocator's own headers and rounding.
        let wanted = layout.size().checked_mul(2)?.checked_add(layout.align())?;
        let bytes = wanted.max(GROWTH_STEP).checked_next_multiple_of(frames::FRAME_BYTES)?;
        // Only small blocks may use the kernel's reserve.
        let frames_needed = (bytes / frames::FRAME_BYTES) as u64;
        if layout.size() > SMALL_BYTES && !frames::has_room(frames_needed) {
            return None;
        }
        let start = self.grown_to;
        let wanted_end = start.checked_add(bytes as u64)?;
        while self.grown_to < wanted_end {
            let Some(frame) = frames::allocate_for_kernel() else { break };
            if !kernel_space::map_heap_page(self.grown_to, frame) {
                frames::release_from_kernel(frame);
                break;
            }
            self.grown_to += frames::FRAME_BYTES as u64;
        }
        let grown = usize::try_from(self.grown_to - start).ok()?;
        self.bytes += grown;
        let pointer =
            NonNull::new(core::ptr::with_exposed_provenance_mut::<u8>(usize::try_from(start).ok()?))?;
        let block = NonNull::slice_from_raw_parts(pointer, grown);
        // SAFETY: these pages were mapped just now for the heap alone; later ones follow the earlier ones.
        unsafe {
            if start == GROWTH_BASE {
                self.pool.insert_free_block_ptr(block);
            } else if grown > 0 {
                self.pool.append_free_block_ptr(block);
            }
        }
        Some(())
    }
}

// SAFETY: each part of the heap returns each byte only once until it is freed.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.lock().allocate(layout).map_or(core::ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if let Some(pointer) = NonNull::new(pointer) {
            // SAFETY: the caller got this block from `alloc` with this layout, and does not use it any more.
            unsafe { self.0.lock().deallocate(pointer, layout) };
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let Ok(new_layout) = Layout::from_size_align(new_size, layout.align()) else {
            return core::ptr::null_mut();
        };
        let address = pointer.expose_provenance();
        if new_size >= LARGE_BYTES
            && LargeBlocks::is_one(address)
            && let Some(block) = NonNull::new(pointer)
        {
            let resized = self.0.lock().resize(block, layout.size(), new_size);
            return resized.map_or(core::ptr::null_mut(), NonNull::as_ptr);
        }
        // SAFETY: the new block does not overlap the old one, and both hold at least the smaller size.
        unsafe {
            let new = self.alloc(new_layout);
            if !new.is_null() {
                core::ptr::copy_nonoverlapping(pointer, new, layout.size().min(new_size));
                self.dealloc(pointer, layout);
            }
            new
        }
    }
}
