//! The frames of an object's pages. Creating a list takes no time or memory for the pages, only for the table pointers:
//! 4 bytes per 2 MiB.

use super::{
    frames::{self, Frame},
    tables::{self, ENTRIES, Entry, TABLE_RECORDS},
};
use alloc::vec::Vec;
use capos_kernel_core::{
    OutOfMemory,
    walk::{Flaw, Walk},
};
use x86_64::structures::paging::PageTableFlags as Flags;

/// Pages per table.
const TABLE_PAGES: u64 = ENTRIES as u64;

/// A list of up to this many pages is freed at once, since many of them may end in one step of another
/// operation.
const SMALL_PAGES: usize = 8;

/// The frames of pages, each allocated at first use.
pub(super) enum PageList {
    /// Up to one table of pages.
    Short(Vec<Frame>),
    /// Several tables, each a frame that is allocated with the first of its pages.
    Long(Vec<Frame>),
}

fn filled(count: u64) -> Result<Vec<Frame>, OutOfMemory> {
    let mut list = Vec::new();
    let count = usize::try_from(count).map_err(|_| OutOfMemory)?;
    list.try_reserve_exact(count)?;
    list.resize(count, Frame::NONE);
    Ok(list)
}

/// Splits a page number into the number of its table and the index there.
const fn split(page: u64) -> (usize, usize) {
    ((page / TABLE_PAGES) as usize, (page % TABLE_PAGES) as usize)
}

impl PageList {
    /// A list of `pages` pages without frames.
    pub(super) fn new(pages: u64) -> Result<Self, OutOfMemory> {
        if pages <= TABLE_PAGES {
            filled(pages).map(Self::Short)
        } else {
            filled(pages.div_ceil(TABLE_PAGES)).map(Self::Long)
        }
    }

    /// The frame of a page of the list, allocated if it has none. `None` if memory is exhausted.
    pub(super) fn frame(&mut self, page: u64) -> Option<Frame> {
        match self {
            Self::Short(frames) => {
                let frame = frames.get_mut(usize::try_from(page).ok()?)?;
                if *frame == Frame::NONE {
                    *frame = zeroed()?;
                }
                Some(*frame)
            }
            Self::Long(list) => {
                let (table, slot) = split(page);
                let table = list.get_mut(table)?;
                if *table == Frame::NONE {
                    *table = take_table()?;
                }
                let entry = tables::get(*table, slot);
                if entry.is_present() {
                    return Some(entry.frame());
                }
                let frame = zeroed()?;
                tables::set(*table, slot, Entry::new(frame.address(), Flags::PRESENT));
                Some(frame)
            }
        }
    }

    /// Whether freeing everything takes so long that it must be done in steps.
    pub(super) const fn is_large(&self) -> bool {
        match self {
            Self::Short(list) => list.len() > SMALL_PAGES,
            Self::Long(_) => true,
        }
    }

    /// Frees the frames of at most one table. `true` when no frame is left.
    pub(super) fn free_step(&mut self) -> bool {
        match self {
            Self::Short(list) => {
                list.drain(..).filter(|frame| *frame != Frame::NONE).for_each(frames::release);
                true
            }
            Self::Long(list) => {
                let Some(table) = list.pop() else { return true };
                if table != Frame::NONE {
                    pages_of(table).for_each(frames::release);
                    frames::release_from_kernel(table);
                }
                list.is_empty()
            }
        }
    }

    /// Number of pages with a frame; the tables belong to the kernel.
    pub(super) fn count(&self, walk: &mut Walk<'_>) -> Result<u64, Flaw> {
        let there = |frame: &Frame| *frame != Frame::NONE;
        match self {
            Self::Short(list) => {
                walk.look_at(TABLE_RECORDS)?;
                Ok(list.iter().copied().filter(there).count() as u64)
            }
            Self::Long(list) => {
                let mut count = 0;
                for table in list.iter().copied() {
                    walk.look()?;
                    if table != Frame::NONE {
                        walk.look_at(TABLE_RECORDS)?;
                        count += pages_of(table).count() as u64;
                    }
                }
                Ok(count)
            }
        }
    }
}

/// A zeroed frame for a page.
fn zeroed() -> Option<Frame> {
    let frame = frames::allocate()?;
    frame.zero();
    Some(frame)
}

/// An empty table. Tables requested by processes must not use the kernel's reserve.
fn take_table() -> Option<Frame> {
    if frames::is_low() {
        return None;
    }
    let table = frames::allocate_for_kernel()?;
    table.zero();
    Some(table)
}

/// The frames in a table.
fn pages_of(table: Frame) -> impl Iterator<Item = Frame> {
    (0..ENTRIES)
        .map(move |slot| tables::get(table, slot))
        .filter(|entry| entry.is_present())
        .map(Entry::frame)
}
