//! The CPUs that hold an address space's tables, and flushing what they remember of it.

use crate::{arch, kernel::MAX_CPUS, mm::frames::FRAME_BYTES};

/// Above this many pages, everything the processor remembers is forgotten at once.
const FLUSH_PAGES: u64 = 32;

/// A set of CPUs. A CPU that loads other tables forgets these, so one that is not in the set remembers nothing.
pub(super) struct Holders(u64);

const _: () = assert!(MAX_CPUS <= u64::BITS as usize);

impl Holders {
    pub(super) const NONE: Self = Self(0);

    #[inline]
    pub(super) const fn add(&mut self, cpu: u32) {
        self.0 |= 1 << cpu;
    }

    #[inline]
    pub(super) const fn remove(&mut self, cpu: u32) {
        self.0 &= !(1 << cpu);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// Makes every CPU of the set forget its translations of `length` bytes from `address`.
    pub(super) fn flush(&self, address: u64, length: u64) {
        let me = 1 << arch::cpu_index();
        // Another CPU would have to be interrupted, and to have answered before the pages are used again.
        assert!(self.0 & !me == 0, "another CPU holds page tables that change here");
        if self.0 == 0 {
            return;
        }
        if length / FRAME_BYTES as u64 > FLUSH_PAGES {
            arch::flush_user_pages();
        } else {
            (address..address + length).step_by(FRAME_BYTES).for_each(arch::flush_page);
        }
    }
}
