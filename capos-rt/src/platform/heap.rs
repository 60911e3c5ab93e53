//! The heap: dlmalloc with a per-thread cache for the smallest blocks, and separate reservations for large
//! ones.

mod area;
mod cache;
mod waiting;

pub(super) use cache::flush;
pub(crate) use waiting::give_back;

use super::memory::{self, Access, whole_pages};
use area::Area;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr;
use dlmalloc::Dlmalloc;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[global_allocator]
static HEAP: Heap = Heap(Mutex::new(Dlmalloc::new_with_allocator(Area)));

/// Blocks of at least this size have a separate reservation.
const LARGE_BYTES: usize = 128 * 1024;
/// Address space of the shortest large blocks. Longer blocks get a thousand times as much: a block that grows is moved
/// once, while it is short, and grows in place from then on.
const SMALLEST_RESERVATION: usize = 256 << 10;
/// Address space of longer blocks. It costs only page tables, of which four share one.
const ROOMY_RESERVATION: usize = 256 << 20;
/// Reservations up to this size are rounded up generously, so that blocks grow in place.
const SLACK_LIMIT: usize = 1 << 30;
/// A block that shrinks returns its tail if that is at least this long.
const TRIM_BYTES: usize = 64 * 1024;

/// Has the pages of long blocks given back in parts from now on, after they have been freed: between the turns of the tasks of
/// [`block_on`](crate::block_on), which therefore must run. Until then they count as the process's memory.
/// Blocks longer than 1 GiB are given back at once: whoever uses many of their pages discards these in parts before.
pub fn free_in_parts() {
    waiting::await_blocks();
}

struct Heap(Mutex<Dlmalloc<Area>>);

impl Heap {
    fn small(&self) -> MutexGuard<'_, Dlmalloc<Area>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives back at most `length` bytes of pages that short blocks had. Returns whether there were any.
    fn give_back(&self, length: usize) -> bool {
        let _lock = self.small();
        Area::give_back(length)
    }

    /// # Safety
    /// As for `alloc`, for a layout without a class.
    unsafe fn alloc_uncached(&self, layout: Layout) -> *mut u8 {
        if is_large(layout.size(), layout.align()) {
            let length = reservation(layout.size());
            let mut reserved = memory::reserve(length, Access::ReadWrite);
            while reserved.is_err() && waiting::give_back() {
                reserved = memory::reserve(length, Access::ReadWrite);
            }
            return match reserved {
                Ok(address) => ptr::with_exposed_provenance_mut(address),
                Err(_) => ptr::null_mut(),
            };
        }
        // SAFETY: the layout is valid by this function's contract.
        unsafe { self.small().malloc(layout.size(), layout.align()) }
    }

    /// # Safety
    /// As for `dealloc`, for a layout without a class.
    unsafe fn dealloc_uncached(&self, block: *mut u8, layout: Layout) {
        if is_large(layout.size(), layout.align()) {
            if waiting::LENGTHS.contains(&layout.size()) && waiting::are_awaited() {
                // SAFETY: a large block is its own reservation, and the caller's no more.
                return unsafe { waiting::put(block, layout.size(), reservation(layout.size())) };
            }
            // Failing leaves the pages mapped, which is all that can be done here.
            let _ = memory::unmap(block as usize, reservation(layout.size()));
            return;
        }
        // SAFETY: the block came from `alloc` with this layout.
        unsafe { self.small().free(block, layout.size(), layout.align()) }
    }
}

fn is_large(size: usize, align: usize) -> bool {
    size >= LARGE_BYTES && align <= capos_abi::PAGE_SIZE as usize
}

/// The size of the reservation of a large block, which depends only on the block's size. Address space costs nothing
/// until it is touched.
fn reservation(size: usize) -> usize {
    let steps = [SMALLEST_RESERVATION, ROOMY_RESERVATION, SLACK_LIMIT];
    steps.into_iter().find(|&step| size <= step).unwrap_or_else(|| whole_pages(size))
}

// SAFETY: small blocks are dlmalloc's, behind a lock; a large block is its own reservation, whose size is
// derived from the block's. No method unwinds.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if let Some(class) = cache::class(layout.size(), layout.align()) {
            return match cache::take(class) {
                Some(block) => block.as_ptr(),
                // SAFETY: a class's size is not zero, and its blocks are aligned like all of dlmalloc's.
                None => unsafe { self.small().malloc(cache::class_bytes(class), cache::ALIGN) },
            };
        }
        // SAFETY: the layout is valid by `alloc`'s contract.
        unsafe { self.alloc_uncached(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_large(layout.size(), layout.align()) {
            // SAFETY: as `alloc`; fresh pages read as zero.
            return unsafe { self.alloc_uncached(layout) };
        }
        if cache::class(layout.size(), layout.align()).is_some() {
            // SAFETY: as `alloc`; the block is at least as long as the layout.
            return unsafe {
                let block = self.alloc(layout);
                if !block.is_null() {
                    block.write_bytes(0, layout.size());
                }
                block
            };
        }
        // SAFETY: the layout is valid by `dealloc`'s contract.
        unsafe { self.small().calloc(layout.size(), layout.align()) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(class) = cache::class(layout.size(), layout.align()) {
            // SAFETY: the block is of this class, and the caller has given it up.
            if !unsafe { cache::put(class, block) } {
                // SAFETY: it came from dlmalloc with the class's size.
                unsafe { self.small().free(block, cache::class_bytes(class), cache::ALIGN) };
            }
            return;
        }
        // SAFETY: the block came from `alloc` with this layout.
        unsafe { self.dealloc_uncached(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let (old_size, align) = (layout.size(), layout.align());
        let (was_large, will_be_large) = (is_large(old_size, align), is_large(new_size, align));
        let (old_class, new_class) = (cache::class(old_size, align), cache::class(new_size, align));
        if old_class.is_some() && old_class == new_class {
            return block;
        }
        if old_class.is_none() && new_class.is_none() && !was_large && !will_be_large {
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
        // SAFETY: both blocks are live and disjoint, and at least the smaller size long.
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

// Called by `std::alloc::System`, which uses the same heap.

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
