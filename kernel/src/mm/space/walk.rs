//! Page table walks.

use super::{AddressSpace, OWNED};
use crate::{
    budget::Budget,
    mm::{
        frames::{self, Frame},
        kernel_space::FIRST_KERNEL_ENTRY,
        tables::{self, ENTRIES, Entry, TABLE_RECORDS, index},
    },
};
use capos_kernel_core::walk::{Flaw, Walk};
use x86_64::structures::paging::PageTableFlags as Flags;

const TABLE: Flags = Flags::PRESENT.union(Flags::WRITABLE).union(Flags::USER_ACCESSIBLE);

/// Bytes covered by an entry at `level`.
const fn span(level: u32) -> u64 {
    1 << (12 + 9 * (level - 1))
}

impl AddressSpace {
    /// The last-level entry for `address`.
    #[inline]
    pub(super) fn entry(&self, address: u64) -> Option<Entry> {
        let mut table = self.root;
        for level in [4, 3, 2] {
            let entry = tables::get(table, index(address, level));
            if !entry.is_present() {
                return None;
            }
            table = entry.frame();
        }
        Some(tables::get(table, index(address, 1)))
    }

    /// The last-level table for `address`, created if missing. `None` if the budget or memory is exhausted.
    pub(super) fn table_for(&mut self, address: u64) -> Option<Frame> {
        let mut table = self.root;
        for level in [4, 3, 2] {
            let entry = tables::get(table, index(address, level));
            table = if entry.is_present() {
                entry.frame()
            } else {
                let new = self.take_frame()?;
                new.zero();
                tables::set(table, index(address, level), Entry::new(new.address(), TABLE));
                new
            };
        }
        Some(table)
    }

    /// A frame with undefined contents, charged to the budget.
    pub(super) fn take_frame(&mut self) -> Option<Frame> {
        if !self.budget.charge(1) {
            return None;
        }
        let frame = frames::allocate();
        if frame.is_none() {
            self.budget.refund(1);
        }
        frame
    }

    pub(super) fn free_frame(&mut self, frame: Frame) {
        frames::release(frame);
        self.budget.refund(1);
    }

    /// Replaces every last-level entry in use in `start..end`.
    pub(super) fn change_leaves(
        &mut self,
        start: u64,
        end: u64,
        change: &mut dyn FnMut(u64, Entry) -> Entry,
    ) {
        self.recent.clear();
        change_below(self.root, 4, 0, start, end, change);
    }

    /// Unmaps a few pages, `start..end`: frees its own frames, and empty tables.
    pub(super) fn clear(&mut self, start: u64, end: u64) {
        self.recent.clear();
        self.clear_below(self.root, 4, 0, start, end, None);
    }

    /// Unmaps `start..end` within `budget`, from the start on. `true` when everything is unmapped.
    pub(super) fn clear_step(&mut self, start: u64, end: u64, budget: &Budget) -> bool {
        self.recent.clear();
        self.clear_below(self.root, 4, 0, start, end, Some(budget))
    }

    fn clear_below(
        &mut self,
        table: Frame,
        level: u32,
        base: u64,
        start: u64,
        end: u64,
        budget: Option<&Budget>,
    ) -> bool {
        for (slot, at, entry) in used(table, level, base, start, end) {
            if level == 1 {
                tables::set(table, slot, Entry::EMPTY);
                if entry.flags().contains(OWNED) {
                    self.free_frame(entry.frame());
                }
                continue;
            }
            if !self.clear_below(entry.frame(), level - 1, at, start, end, budget) {
                return false;
            }
            if start <= at && at + span(level) <= end {
                tables::set(table, slot, Entry::EMPTY);
                self.free_frame(entry.frame());
            }
            // A table is never left partly cleared, so that every step makes progress.
            if level == 2 && budget.is_some_and(Budget::is_spent) {
                return false;
            }
        }
        true
    }

    /// The end of the part of `start..end` that can be changed in one step.
    pub(crate) fn end_of_piece(&self, start: u64, end: u64) -> u64 {
        let end = self.regions.end_of(start, end, PIECE_REGIONS);
        // A range within one table needs no search.
        if start / span(2) == (end - 1) / span(2) {
            return end;
        }
        let mut left = PIECE_TABLES;
        end_of_tables(self.root, 4, 0, start, end, &mut left).unwrap_or(end)
    }

    /// Frees user pages and tables, finally the root. `true` when all are free.
    pub(super) fn free_all_tables(&mut self, budget: &Budget) -> bool {
        if self.root == Frame::NONE {
            return true;
        }
        if !self.clear_step(0, FIRST_KERNEL_ENTRY as u64 * span(4), budget) {
            return false;
        }
        let root = core::mem::replace(&mut self.root, Frame::NONE);
        self.free_frame(root);
        true
    }

    /// Number of frames actually used by its tables and its own pages.
    ///
    /// # Errors
    /// [`Flaw::BrokenOff`].
    pub(crate) fn count_frames(&self, walk: &mut Walk<'_>) -> Result<u32, Flaw> {
        if self.root == Frame::NONE { Ok(0) } else { Ok(1 + count_below(self.root, 4, walk)?) }
    }
}

/// Maximum number of regions changed in one step.
const PIECE_REGIONS: usize = 16;
/// Maximum number of tables changed in one step, including those at higher levels.
const PIECE_TABLES: u32 = 4;

/// The start of the next table after `left` more tables, if there are more in `start..end`.
fn end_of_tables(table: Frame, level: u32, base: u64, start: u64, end: u64, left: &mut u32) -> Option<u64> {
    for (_, at, entry) in used(table, level, base, start, end) {
        if *left == 0 && at > start {
            return Some(at);
        }
        *left = left.saturating_sub(1);
        if level > 2
            && let Some(found) = end_of_tables(entry.frame(), level - 1, at, start, end, left)
        {
            return Some(found);
        }
    }
    None
}

/// The entries in use of the table at `level` that covers `base`, within `start..end`, with their slots and addresses.
/// During the iteration only the slot of the last returned entry may be changed.
fn used(
    table: Frame,
    level: u32,
    base: u64,
    start: u64,
    end: u64,
) -> impl Iterator<Item = (usize, u64, Entry)> {
    let limit = if level == 4 { FIRST_KERNEL_ENTRY } else { ENTRIES } as u64;
    let mut next = (start.saturating_sub(base) / span(level)).min(limit) as usize;
    let last = end.saturating_sub(base).div_ceil(span(level)).min(limit) as usize;
    core::iter::from_fn(move || {
        let (slot, entry) = tables::first_used(table, next..last)?;
        next = slot + 1;
        Some((slot, base + slot as u64 * span(level), entry))
    })
}

fn change_below(
    table: Frame,
    level: u32,
    base: u64,
    start: u64,
    end: u64,
    change: &mut dyn FnMut(u64, Entry) -> Entry,
) {
    for (slot, at, entry) in used(table, level, base, start, end) {
        if level == 1 {
            tables::set(table, slot, change(at, entry));
        } else {
            change_below(entry.frame(), level - 1, at, start, end, change);
        }
    }
}

fn count_below(table: Frame, level: u32, walk: &mut Walk<'_>) -> Result<u32, Flaw> {
    walk.look_at(TABLE_RECORDS)?;
    let mut count = 0;
    for (_, _, entry) in used(table, level, 0, 0, u64::MAX) {
        if level > 1 {
            count += 1 + count_below(entry.frame(), level - 1, walk)?;
        } else if entry.flags().contains(OWNED) {
            count += 1;
        }
    }
    Ok(count)
}
