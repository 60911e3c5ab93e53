//! Large blocks of the heap: each has a separate window of address space, in which it grows page by page. So a table of
//! any length grows without being copied.

use crate::{
    arch,
    mm::{
        frames::{self, FRAME_BYTES},
        kernel_space, trial,
    },
};
use capos_kernel_core::{OutOfMemory, frames::FrameAllocator};
use core::{ops::Range, ptr::NonNull};

/// Size of a normal window: the range of one page table.
const WINDOW: u64 = 2 << 20;
/// Size of a window for the longest tables.
const WIDE_WINDOW: u64 = 1 << 30;

/// The range of the windows: after the small blocks, within one root entry, since other root tables share only that.
const WINDOWS: Range<u64> = kernel_space::HEAP_BASE + (64 << 30)..kernel_space::HEAP_BASE + (192 << 30);
const WIDE_WINDOWS: Range<u64> = WINDOWS.end..kernel_space::HEAP_BASE + (512 << 30);

const PAGE: u64 = FRAME_BYTES as u64;

/// Allocation of the windows.
pub(super) struct LargeBlocks {
    windows: FrameAllocator,
    wide: FrameAllocator,
}

/// Bytes of the pages of a block.
pub(super) const fn held(size: usize) -> usize {
    size.next_multiple_of(FRAME_BYTES)
}

fn pages(size: usize) -> u64 {
    (held(size) / FRAME_BYTES) as u64
}

fn all_free(area: &Range<u64>, window: u64) -> Result<FrameAllocator, OutOfMemory> {
    let count = (area.end - area.start) / window;
    let mut free = FrameAllocator::new(count)?;
    free.add_range(0, count);
    Ok(free)
}

/// Maps the pages `pages` of the window at `start`. All or none.
fn fill(start: u64, pages: Range<u64>) -> bool {
    // Maximum number of page tables needed besides the pages.
    if !frames::has_room(pages.end - pages.start + 4) {
        return false;
    }
    for page in pages.clone() {
        let mapped = frames::allocate_for_kernel().is_some_and(|frame| {
            let mapped = kernel_space::map_heap_page(start + page * PAGE, frame);
            if !mapped {
                frames::release_from_kernel(frame);
            }
            mapped
        });
        if !mapped {
            empty(start, pages.start..page);
            return false;
        }
    }
    true
}

/// Unmaps pages of the window at `start` and frees their frames.
fn empty(start: u64, pages: Range<u64>) {
    for page in pages {
        let address = start + page * PAGE;
        if let Some(frame) = kernel_space::unmap_heap_page(address) {
            arch::flush_page(address);
            frames::release_from_kernel(frame);
        }
    }
}

/// Moves the content of a window, `count` pages, to the beginning of an empty wide one. All or nothing. A window is the
/// range of one page table, so the table is moved, in constant time.
fn transplant(from: u64, to: u64, count: u64) -> bool {
    let moved = kernel_space::move_heap_table(from, to);
    if moved {
        (0..count).for_each(|page| arch::flush_page(from + page * PAGE));
    }
    moved
}

fn block(address: u64) -> Option<NonNull<u8>> {
    NonNull::new(core::ptr::with_exposed_provenance_mut(usize::try_from(address).ok()?))
}

impl LargeBlocks {
    pub(super) fn new() -> Result<Self, OutOfMemory> {
        Ok(Self { windows: all_free(&WINDOWS, WINDOW)?, wide: all_free(&WIDE_WINDOWS, WIDE_WINDOW)? })
    }

    /// Whether the block at an address is a large one.
    pub(super) fn is_one(address: usize) -> bool {
        (WINDOWS.start..WIDE_WINDOWS.end).contains(&(address as u64))
    }

    fn take_window(&mut self, size: usize) -> Option<u64> {
        if size as u64 <= WINDOW {
            Some(WINDOWS.start + self.windows.allocate()? * WINDOW)
        } else if size as u64 <= WIDE_WINDOW {
            Some(WIDE_WINDOWS.start + self.wide.allocate()? * WIDE_WINDOW)
        } else {
            None
        }
    }

    fn release_window(&mut self, start: u64) {
        let released = if WINDOWS.contains(&start) {
            self.windows.release((start - WINDOWS.start) / WINDOW)
        } else {
            self.wide.release((start - WIDE_WINDOWS.start) / WIDE_WINDOW)
        };
        debug_assert!(released);
    }

    /// A page-aligned block of at least `size` bytes.
    pub(super) fn allocate(&mut self, size: usize) -> Option<NonNull<u8>> {
        let start = self.take_window(size)?;
        if fill(start, 0..pages(size)) {
            return block(start);
        }
        self.release_window(start);
        None
    }

    /// Frees a block of `size` bytes.
    pub(super) fn release(&mut self, address: usize, size: usize) {
        let start = address as u64;
        empty(start, 0..pages(size));
        self.release_window(start);
    }

    /// Grows or shrinks a block. `None`, without any change, if memory is exhausted; shrinking needs none.
    pub(super) fn resize(&mut self, address: usize, old: usize, new: usize) -> Option<NonNull<u8>> {
        if new > old && trial::fails() {
            return None;
        }
        let (start, had, wanted) = (address as u64, pages(old), pages(new));
        let window = if WINDOWS.contains(&start) { WINDOW } else { WIDE_WINDOW };
        if wanted * PAGE <= window {
            if wanted < had {
                empty(start, wanted..had);
            } else if !fill(start, had..wanted) {
                return None;
            }
            return block(start);
        }
        if window == WIDE_WINDOW {
            return None;
        }
        let wide = self.take_window(new)?;
        if transplant(start, wide, had) {
            if fill(wide, had..wanted) {
                self.release_window(start);
                return block(wide);
            }
            // The tables for undoing this exist.
            let back = transplant(wide, start, had);
            debug_assert!(back);
        }
        self.release_window(wide);
        None
    }
}
