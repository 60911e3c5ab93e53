//! The heap: dlmalloc for small blocks, whole reservations for large ones.

use super::memory::{self, Access, whole_pages};
use core::alloc::{GlobalAlloc, Layout};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};
use dlmalloc::Dlmalloc;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[global_allocator]
static HEAP: Heap = Heap(Mutex::new(Dlmalloc::new_with_allocator(Area)));

/// Blocks of at least this many bytes have a reservation of their own.
const LARGE_BYTES: usize = 128 * 1024;
/// Reservations up to this size are rounded up generously, so that blocks grow in place.
const SLACK_LIMIT: usize = 1 << 30;
/// Address space for small blocks.
const AREA_BYTES: usize = 64 << 30;
/// A block that shrinks gives back its tail when that is at least so long.
const TRIM_BYTES: usize = 64 * 1024;

struct Heap(Mutex<Dlmalloc<Area>>);

impl Heap {
    fn small(&self) -> MutexGuard<'_, Dlmalloc<Area>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_large(size: usize, align: usize) -> bool {
    size >= LARGE_BYTES && align <= capos_abi::PAGE_SIZE as usize
}

/// The reservation behind a large block, which depends on nothing but the block's size: the next power of
/// four. Address space costs nothing until it is touched.
fn reservation(size: usize) -> usize {
    if size > SLACK_LIMIT {
        return whole_pages(size);
    }
    let bits = usize::BITS - (size - 1).leading_zeros();
    1 << bits.next_multiple_of(2)
}

// SAFETY: small blocks are dlmalloc's, behind a lock; a large block is its own reservation, found again by its
// size alone. No method unwinds.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_large(layout.size(), layout.align()) {
            return match memory::reserve(reservation(layout.size()), Access::ReadWrite) {
                Ok(address) => ptr::with_exposed_provenance_mut(address),
                Err(_) => ptr::null_mut(),
            };
        }
        // SAFETY: the layout is the caller's.
        unsafe { self.small().malloc(layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_large(layout.size(), layout.align()) {
            // SAFETY: as `alloc`; fresh pages read as zero.
            return unsafe { self.alloc(layout) };
        }
        // SAFETY: the layout is the caller's.
        unsafe { self.small().calloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if is_large(layout.size(), layout.align()) {
            // Failing leaves the pages mapped, which is all that can be done here.
            let _ = memory::unmap(block as usize, reservation(layout.size()));
            return;
        }
        // SAFETY: the block came from `alloc` with this layout.
        unsafe { self.small().free(block, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let (old_size, align) = (layout.size(), layout.align());
        let (was_large, will_be_large) = (is_large(old_size, align), is_large(new_size, align));
        if !was_large && !will_be_large {
            // SAFETY: the block came from `alloc` with this layout.
            return unsafe { self.small().realloc(block, old_size, align, new_size) };
        }
        if was_large && will_be_large && reservation(old_size) == reservation(new_size) {
            let (kept, tail) = (whole_pages(new_size), whole_pages(old_size));
            if tail > kept && tail - kept >= TRIM_BYTES {
                let _ = memory::discard(block as usize + kept, tail - kept);
            }
            return block;
        }
        // SAFETY: both blocks are live and apart, and at least the smaller size long.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(new_size, align));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, old_size.min(new_size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

/// Address space from which dlmalloc's segments are cut, one after the other, so that they merge.
struct Area;

static AREA_NEXT: AtomicUsize = AtomicUsize::new(0);
static AREA_END: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every range handed out is fresh or was given back before. Only called with the heap's lock held.
unsafe impl dlmalloc::Allocator for Area {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        if AREA_END.load(Ordering::Relaxed) == 0 {
            let Ok(start) = memory::reserve(AREA_BYTES, Access::ReadWrite) else {
                return (ptr::null_mut(), 0, 0);
            };
            AREA_NEXT.store(start, Ordering::Relaxed);
            AREA_END.store(start + AREA_BYTES, Ordering::Relaxed);
        }
        let start = AREA_NEXT.load(Ordering::Relaxed);
        if size > AREA_END.load(Ordering::Relaxed) - start {
            return (ptr::null_mut(), 0, 0);
        }
        AREA_NEXT.store(start + size, Ordering::Relaxed);
        (ptr::with_exposed_provenance_mut(start), size, 0)
    }

    fn remap(&self, _ptr: *mut u8, _old: usize, _new: usize, _can_move: bool) -> *mut u8 {
        ptr::null_mut()
    }

    fn free_part(&self, ptr: *mut u8, old_size: usize, new_size: usize) -> bool {
        let (start, end) = (ptr as usize + new_size, ptr as usize + old_size);
        if end != AREA_NEXT.load(Ordering::Relaxed) || memory::discard(start, end - start).is_err() {
            return false;
        }
        AREA_NEXT.store(start, Ordering::Relaxed);
        true
    }

    fn free(&self, ptr: *mut u8, size: usize) -> bool {
        self.free_part(ptr, size, 0)
    }

    fn can_release_part(&self, _flags: u32) -> bool {
        true
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        capos_abi::PAGE_SIZE as usize
    }
}

// What `std::alloc::System` calls; it is the same heap.

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_malloc(size: usize, align: usize) -> *mut u8 {
    // SAFETY: `System` passes a valid layout.
    unsafe { HEAP.alloc(Layout::from_size_align_unchecked(size, align)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_realloc(block: *mut u8, size: usize, align: usize, new_size: usize) -> *mut u8 {
    // SAFETY: `System` passes the block's own layout.
    unsafe { HEAP.realloc(block, Layout::from_size_align_unchecked(size, align), new_size) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_free(block: *mut u8, size: usize, align: usize) {
    // SAFETY: `System` passes the block's own layout.
    unsafe { HEAP.dealloc(block, Layout::from_size_align_unchecked(size, align)) }
}
