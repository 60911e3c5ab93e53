//! Free blocks of the smallest sizes, kept by the thread that freed them: the next allocation takes them
//! without a lock and without a search.

use super::HEAP;
use core::ptr::NonNull;
use std::cell::Cell;

/// Alignment of every block.
pub(super) const ALIGN: usize = 16;
/// Difference between size classes, in bytes.
const STEP: usize = 16;
/// Number of size classes; larger blocks are not cached.
const CLASSES: usize = 16;
/// Blocks of a class kept per thread.
const KEPT: u32 = 64;

/// A free block.
struct Free {
    next: Option<NonNull<Free>>,
}

/// The free blocks of one class.
struct List {
    first: Cell<Option<NonNull<Free>>>,
    count: Cell<u32>,
}

thread_local! {
    static LISTS: [List; CLASSES] = const {
        [const { List { first: Cell::new(None), count: Cell::new(0) } }; CLASSES]
    };
}

/// The class of blocks that serves a layout.
#[inline]
pub(super) const fn class(size: usize, align: usize) -> Option<usize> {
    if size > STEP * CLASSES || align > ALIGN || size == 0 {
        return None;
    }
    Some((size - 1) / STEP)
}

/// The size of a class's blocks.
#[inline]
pub(super) const fn class_bytes(class: usize) -> usize {
    (class + 1) * STEP
}

/// A block of `class`, if this thread has one.
#[inline]
pub(super) fn take(class: usize) -> Option<NonNull<u8>> {
    LISTS.with(|lists| {
        let list = &lists[class % CLASSES];
        let block = list.first.get()?;
        // SAFETY: blocks in a list are free, at least a pointer long, and hold the value that `put` wrote.
        list.first.set(unsafe { block.as_ref() }.next);
        list.count.set(list.count.get() - 1);
        Some(block.cast())
    })
}

/// Keeps a block of `class`; false if the thread has enough.
///
/// # Safety
/// The block must be free and of this class.
#[inline]
pub(super) unsafe fn put(class: usize, block: *mut u8) -> bool {
    LISTS.with(|lists| {
        let Some(block) = NonNull::new(block.cast::<Free>()) else { return false };
        let list = &lists[class % CLASSES];
        if list.count.get() >= KEPT {
            return false;
        }
        // SAFETY: the block is aligned, long enough, and not in use.
        unsafe { block.write(Free { next: list.first.get() }) };
        list.first.set(Some(block));
        list.count.set(list.count.get() + 1);
        true
    })
}

/// Frees every block that the calling thread keeps.
pub(in crate::platform) fn flush() {
    for class in 0..CLASSES {
        while let Some(block) = take(class) {
            // SAFETY: the block came from dlmalloc with its class's size and has been removed from the list.
            unsafe { HEAP.small().free(block.as_ptr(), class_bytes(class), ALIGN) };
        }
    }
}
