//! The CPUs that have an address space's tables loaded, and TLB flushes on them.

use crate::{arch, kernel::MAX_CPUS, mm::frames::FRAME_BYTES};

/// Above this number of pages, the whole TLB is flushed.
const FLUSH_PAGES: u64 = 32;

/// A set of CPUs. Loading other tables flushes these, so a CPU outside the set has no translations.
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

    /// Flushes the translations of `length` bytes from `address` on every CPU of the set.
    pub(super) fn flush(&self, address: u64, length: u64) {
        let me = 1 << arch::cpu_index();
        // Another CPU would have to be interrupted, and to acknowledge before the pages are reused.
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
