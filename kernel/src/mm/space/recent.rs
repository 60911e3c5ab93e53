//! A few translations that the kernel's own copies used lately, so that most of them need no walk. Like the
//! processor's, it must forget what changes: every change of an entry that is in use clears it.

use crate::mm::tables::Entry;

const PLACES: usize = 8;
const PAGE_SHIFT: u32 = 12;
/// The number of no user page.
const NO_PAGE: u64 = u64::MAX;

pub(super) struct Recent {
    places: [(u64, Entry); PLACES],
}

impl Recent {
    pub(super) const fn new() -> Self {
        Self { places: [(NO_PAGE, Entry::EMPTY); PLACES] }
    }

    #[inline]
    const fn place(address: u64) -> (usize, u64) {
        let page = address >> PAGE_SHIFT;
        (page as usize % PLACES, page)
    }

    /// The entry for `address`, if it is remembered.
    #[inline]
    pub(super) fn get(&self, address: u64) -> Option<Entry> {
        let (place, page) = Self::place(address);
        let (remembered, entry) = self.places[place];
        (remembered == page).then_some(entry)
    }

    /// Remembers the entry for `address`, which is present.
    #[inline]
    pub(super) fn remember(&mut self, address: u64, entry: Entry) {
        let (place, page) = Self::place(address);
        self.places[place] = (page, entry);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }
}
