use super::waiting;
use crate::platform::memory::{self, Access};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Address space for small blocks.
const AREA_BYTES: usize = 64 << 30;

/// Address space from which dlmalloc's segments are taken contiguously, so that they merge.
pub(super) struct Area;

static AREA_NEXT: AtomicUsize = AtomicUsize::new(0);
static AREA_END: AtomicUsize = AtomicUsize::new(0);
/// The pages from `AREA_NEXT` up to here have been given back to the area and not yet to the system, when that is done in parts.
static AREA_USED: AtomicUsize = AtomicUsize::new(0);

impl Area {
    /// Gives back the last of the pages that the system has not been given back, at most `length` bytes. Returns whether there were
    /// any. Only to be called with the heap's lock held.
    pub(super) fn give_back(length: usize) -> bool {
        let (next, used) = (AREA_NEXT.load(Ordering::Relaxed), AREA_USED.load(Ordering::Relaxed));
        let start = used.saturating_sub(length).max(next);
        if start >= used || memory::discard(start, used - start).is_err() {
            return false;
        }
        AREA_USED.store(start, Ordering::Relaxed);
        true
    }
}

// SAFETY: every returned range is fresh or was freed before. Only called with the heap's lock held.
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
        // What is handed out reads as zero.
        let used = AREA_USED.load(Ordering::Relaxed).min(start + size);
        if used > start && memory::discard(start, used - start).is_err() {
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
        if end != AREA_NEXT.load(Ordering::Relaxed) {
            return false;
        }
        if end - start >= waiting::LONG_BYTES && waiting::are_awaited() {
            AREA_USED.fetch_max(end, Ordering::Relaxed);
            waiting::announce();
        } else if memory::discard(start, end - start).is_err() {
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
