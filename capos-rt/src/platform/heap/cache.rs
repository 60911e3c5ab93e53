//! Free blocks of small sizes, kept by the thread that freed them: the next allocation takes them
//! without a lock and without a search.

use super::HEAP;
use core::ptr::NonNull;
use std::cell::Cell;

/// Alignment of every block.
pub(super) const ALIGN: usize = 16;
/// Difference between the smallest size classes, in bytes.
const STEP: usize = 16;
/// Number of these; above them, each doubling of the size is divided into `PARTS` classes, so that no block is more than an eighth
/// longer than its user asked for.
const EVEN: usize = 16;
const EVEN_BYTES: usize = STEP * EVEN;
const PARTS: usize = 8;
/// Longer blocks are not cached.
const LONGEST: usize = 4096;
const CLASSES: usize = EVEN + PARTS * (LONGEST / EVEN_BYTES).ilog2() as usize;
/// Blocks of a class kept per thread: as many as are this long together, but not more than `MOST_KEPT`.
const KEPT_BYTES: usize = 16 << 10;
const MOST_KEPT: usize = 64;

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
    if size > LONGEST || align > ALIGN || size == 0 {
        return None;
    }
    if size <= EVEN_BYTES {
        return Some((size - 1) / STEP);
    }
    let doubling = (size - 1).ilog2();
    let part = (size - 1) >> (doubling - PARTS.ilog2());
    Some(EVEN + PARTS * (doubling - EVEN_BYTES.ilog2()) as usize + part - PARTS)
}

/// The size of a class's blocks.
#[inline]
pub(super) const fn class_bytes(class: usize) -> usize {
    if class < EVEN {
        return (class + 1) * STEP;
    }
    let (doubling, part) = ((class - EVEN) / PARTS, (class - EVEN) % PARTS);
    (PARTS + part + 1) * ((EVEN_BYTES / PARTS) << doubling)
}

/// How many free blocks of each class a thread keeps.
const KEPT: [u32; CLASSES] = {
    let mut kept = [MOST_KEPT as u32; CLASSES];
    let mut class = 0;
    while class < CLASSES {
        if class_bytes(class) * MOST_KEPT > KEPT_BYTES {
            kept[class] = (KEPT_BYTES / class_bytes(class)) as u32;
        }
        class += 1;
    }
    kept
};

// Each size has a class, whose blocks are long enough and at most an eighth longer, and those of the class below are too short.
const _: () = {
    let mut size = 1;
    while size <= LONGEST {
        let Some(class) = class(size, ALIGN) else { panic!("a short block has no class") };
        assert!(class < CLASSES && class_bytes(class) >= size);
        assert!(class_bytes(class) - size < STEP || (class_bytes(class) - size) * PARTS <= size);
        assert!(class == 0 || class_bytes(class - 1) < size);
        size += 1;
    }
    assert!(class(LONGEST + 1, ALIGN).is_none());
};

/// A block of `class`, if this thread has one.
#[inline]
pub(super) fn take(class: usize) -> Option<NonNull<u8>> {
    LISTS.with(|lists| {
        let list = lists.get(class)?;
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
        let (Some(list), Some(&most)) = (lists.get(class), KEPT.get(class)) else { return false };
        if list.count.get() >= most {
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
