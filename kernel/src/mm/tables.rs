//! Page tables as arrays of entries in frames.

use super::{frames::Frame, physmap};
use core::ops::Range;
use x86_64::{PhysAddr, structures::paging::PageTableFlags as Flags};

/// Entries in a table.
pub(super) const ENTRIES: usize = 512;
/// Number of walk records that a table counts as.
pub(super) const TABLE_RECORDS: u32 = 32;
/// The address bits of an entry.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// One entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry(pub(super) u64);

impl Entry {
    /// Not present.
    pub(super) const EMPTY: Self = Self(0);

    /// An entry for `address`.
    pub(super) const fn new(address: PhysAddr, flags: Flags) -> Self {
        Self(address.as_u64() | flags.bits())
    }

    #[inline]
    pub(super) const fn is_present(self) -> bool {
        self.0 & Flags::PRESENT.bits() != 0
    }

    #[inline]
    pub(super) const fn flags(self) -> Flags {
        Flags::from_bits_truncate(self.0 & !ADDRESS)
    }

    /// The direct map's address of the byte at `offset` of the page.
    #[inline]
    pub(super) fn byte(self, offset: usize) -> *mut u8 {
        physmap::pointer(PhysAddr::new_truncate(self.0 & ADDRESS | offset as u64))
    }

    /// The frame it refers to.
    #[inline]
    pub(super) fn frame(self) -> Frame {
        Frame::at(PhysAddr::new_truncate(self.0 & ADDRESS))
    }
}

/// The index that an address uses in the table at `level` (4 is the root, 1 the last).
#[inline]
pub(super) const fn index(address: u64, level: u32) -> usize {
    (address >> (12 + 9 * (level - 1))) as usize & (ENTRIES - 1)
}

/// Reads entry `index` of a table.
#[inline]
pub(super) fn get(table: Frame, index: usize) -> Entry {
    assert!(index < ENTRIES, "a page table has 512 entries");
    // SAFETY: the entry is within the frame (asserted), which the direct map covers. Volatile, because the
    // processor sets accessed and dirty bits.
    Entry(unsafe { physmap::pointer::<u64>(table.address()).add(index).read_volatile() })
}

/// The first entry in use among `places` of a table, with its index. Most tables are nearly empty, and all of a
/// process's are scanned when it ends, so empty entries are skipped eight at a time.
#[inline]
pub(super) fn first_used(table: Frame, places: Range<usize>) -> Option<(usize, Entry)> {
    const GROUP: usize = 8;
    let Range { start: mut place, end } = places;
    assert!(end <= ENTRIES, "a page table has 512 entries");
    let entries = physmap::pointer::<u64>(table.address());
    // SAFETY: only called for indices below `end`, so the entry is within the frame (asserted), which the direct map
    // covers. Volatile, as in `get`.
    let read = |place: usize| unsafe { entries.add(place).read_volatile() };
    while place < end {
        if end - place >= GROUP && (place..place + GROUP).fold(0, |all, place| all | read(place)) == 0 {
            place += GROUP;
            continue;
        }
        let entry = Entry(read(place));
        if entry != Entry::EMPTY {
            return Some((place, entry));
        }
        place += 1;
    }
    None
}

/// Writes entry `index` of a table. The caller is responsible for the effects of the mapping.
#[inline]
pub(super) fn set(table: Frame, index: usize, entry: Entry) {
    assert!(index < ENTRIES, "a page table has 512 entries");
    // SAFETY: the entry is within the frame (asserted), which the direct map covers and which is a page table of
    // ours. The callers in `mm` map kernel memory only in the kernel's part.
    unsafe { physmap::pointer::<u64>(table.address()).add(index).write_volatile(entry.0) };
}
