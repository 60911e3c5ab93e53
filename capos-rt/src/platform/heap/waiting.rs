//! Memory that has been freed and whose pages are given back in parts, so that freeing a large block takes no longer than freeing
//! a small one.

use super::memory;
use core::mem;
use core::ops::RangeInclusive;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Shorter blocks are given back at once.
pub(super) const LONG_BYTES: usize = 4 << 20;
/// Bytes that are given back at once: what one page table maps.
const STEP_BYTES: usize = 2 << 20;
/// Bytes of address space after a block that are given back at once. Nothing is in it, except page tables if the block was longer
/// before.
const SPACE_BYTES: usize = 32 << 20;
/// Lengths of blocks that are given back in parts. Longer ones are address space for what may grow, such as linear memories,
/// and mostly untouched: a step for each part of them would take longer than freeing all their pages.
pub(super) const LENGTHS: RangeInclusive<usize> = LONG_BYTES..=1 << 30;

/// Whether freed blocks wait: something calls [`give_back`] again and again.
static ARE_AWAITED: AtomicBool = AtomicBool::new(false);
/// Whether any block waits.
static ANY: AtomicBool = AtomicBool::new(false);
/// The address of the first block that waits, or zero.
static FIRST: Mutex<usize> = Mutex::new(0);

/// The beginning of a block that waits.
struct Head {
    /// The address of the next, or zero.
    next: usize,
    /// The block's length in whole pages.
    length: usize,
    /// The bytes of its reservation that have not been given back: the first ones.
    left: usize,
}

const _: () = assert!(mem::size_of::<Head>() < STEP_BYTES && STEP_BYTES < LONG_BYTES);

/// Has long blocks wait from now on.
pub(super) fn await_blocks() {
    ARE_AWAITED.store(true, Ordering::Relaxed);
}

/// Has [`give_back`] look whether pages of short blocks wait.
pub(super) fn announce() {
    ANY.store(true, Ordering::Relaxed);
}

pub(super) fn are_awaited() -> bool {
    ARE_AWAITED.load(Ordering::Relaxed)
}

/// Adds a block.
///
/// # Safety
/// The block is a reservation of its own, readable and writable, that nothing uses any more; it has `length` bytes, at least
/// [`LONG_BYTES`].
pub(super) unsafe fn put(block: *mut u8, length: usize, reservation: usize) {
    let mut first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
    let head = Head { next: *first, length: memory::whole_pages(length), left: reservation };
    // SAFETY: the block is longer than this, aligned to a page, and nothing else uses it.
    unsafe { block.cast::<Head>().write(head) };
    *first = block.expose_provenance();
    ANY.store(true, Ordering::Relaxed);
}

/// Gives back some pages of a block that waits. Returns whether there are more.
pub(crate) fn give_back() -> bool {
    ANY.load(Ordering::Relaxed) && give_back_some()
}

#[cold]
fn give_back_some() -> bool {
    let mut first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
    let block = *first;
    if block == 0 {
        ANY.store(false, Ordering::Relaxed);
        drop(first);
        let gave_back = super::HEAP.give_back(STEP_BYTES);
        if gave_back {
            announce();
        }
        return gave_back;
    }
    let head = ptr::with_exposed_provenance_mut::<Head>(block);
    // SAFETY: `put` wrote it, and only blocks that wait are in the list, which is locked.
    let Head { next, length, left } = unsafe { head.read() };
    // Up to a multiple of what a page table maps, so that the kernel frees tables with their pages.
    let end = block + left;
    let used = (block + length).next_multiple_of(STEP_BYTES);
    let start = if end > used {
        used.max(end.saturating_sub(SPACE_BYTES).next_multiple_of(STEP_BYTES))
    } else {
        (end - 1) / STEP_BYTES * STEP_BYTES
    };
    let kept = start.saturating_sub(block);
    if kept > 0 && memory::unmap(block + kept, left - kept).is_ok() {
        // SAFETY: as above; the page is among those that are kept.
        unsafe { (&raw mut (*head).left).write(kept) };
        return true;
    }
    *first = next;
    // Failing leaves the pages mapped, which is all that can be done here.
    let _ = memory::unmap(block, left);
    true
}
