//! A small cache of translations recently used by the kernel's copies, so that most of them need no walk.
//! Like the TLB, it must be flushed: every change of an entry in use clears it.

use crate::mm::tables::Entry;

const PLACES: usize = 8;
const PAGE_SHIFT: u32 = 12;
/// A number that no user page has.
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

    /// The cached entry for `address`, if there is one.
    #[inline]
    pub(super) fn get(&self, address: u64) -> Option<Entry> {
        let (place, page) = Self::place(address);
        let (remembered, entry) = self.places[place];
        (remembered == page).then_some(entry)
    }

    /// Caches the entry for `address`, which is present.
    #[inline]
    pub(super) fn remember(&mut self, address: u64, entry: Entry) {
        let (place, page) = Self::place(address);
        self.places[place] = (page, entry);
    }

    /// Flushes the cache.
    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }
}
