//! The kernel's heap: a two-level segregated-fit allocator over frames, growing by whole frames in a part of the
//! address space of its own. Allocation and freeing take constant time.

use super::{frames, kernel_space, physmap};
use crate::arch::Lock;
use core::{
    alloc::{GlobalAlloc, Layout},
    ptr::NonNull,
};
use rlsf::Tlsf;
use x86_64::PhysAddr;

/// Where the growing part begins.
const GROWTH_BASE: u64 = kernel_space::HEAP_BASE;
/// Grows by at least this many bytes.
const GROWTH_STEP: usize = 64 * 1024;

/// Up to this size a block is a single record.
const SMALL_BYTES: usize = 2048;

struct Heap {
    pool: Tlsf<'static, u32, u32, 24, 16>,
    grown_to: u64,
    bytes: usize,
}

struct KernelHeap(Lock<Heap>);

#[global_allocator]
static HEAP: KernelHeap = KernelHeap(Lock::new(Heap { pool: Tlsf::new(), grown_to: GROWTH_BASE, bytes: 0 }));

/// Bytes that the heap has taken from the frames.
pub fn bytes() -> usize {
    HEAP.0.lock().bytes
}

/// Gives the heap its first memory, which nothing else may use from now on.
pub(super) fn init(start: PhysAddr, length: usize) {
    let mut heap = HEAP.0.lock();
    if let Some(pointer) = NonNull::new(physmap::pointer::<u8>(start)) {
        // SAFETY: the caller hands over this memory, and the direct map makes it usable.
        unsafe { heap.pool.insert_free_block_ptr(NonNull::slice_from_raw_parts(pointer, length)) };
        heap.bytes = length;
    }
}

impl Heap {
    #[cold]
    fn grow(&mut self, layout: Layout) -> Option<()> {
        // Twice the request covers alignment and the allocator's own headers and rounding.
        let wanted = layout.size().checked_mul(2)?.checked_add(layout.align())?;
        let bytes = wanted.max(GROWTH_STEP).checked_next_multiple_of(frames::FRAME_BYTES)?;
        // Large blocks are tables, whose growth may fail: they leave what small ones, which may not, need.
        let frames_needed = (bytes / frames::FRAME_BYTES) as u64;
        if layout.size() > SMALL_BYTES && frames::counts().0 < frames_needed + frames::KERNEL_RESERVE {
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

// SAFETY: blocks come from the TLSF pool, which hands out each byte once until it is given back.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut heap = self.0.lock();
        if let Some(pointer) = heap.pool.allocate(layout) {
            return pointer.as_ptr();
        }
        if heap.grow(layout).is_none() {
            return core::ptr::null_mut();
        }
        heap.pool.allocate(layout).map_or(core::ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if let Some(pointer) = NonNull::new(pointer) {
            // SAFETY: the caller got this block from `alloc` with this layout.
            unsafe { self.0.lock().pool.deallocate(pointer, layout.align()) };
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let Ok(new_layout) = Layout::from_size_align(new_size, layout.align()) else {
            return core::ptr::null_mut();
        };
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
