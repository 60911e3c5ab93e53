//! Address spaces: the regions set up by a process, and page tables that are filled on access.

mod budget;
mod change;
mod fault;
mod holders;
mod recent;
mod walk;

use super::{
    frames::{self, Frame},
    kernel_space,
    objects::MemoryObjects,
    tables::Entry,
};
use crate::budget::Budget;
use capos_kernel_core::regions::{Protection, RegionMap};
use holders::Holders;
use recent::Recent;
use x86_64::structures::paging::PageTableFlags as Flags;

pub use budget::FrameBudget;
pub use change::SpaceError;
pub use fault::{Access, FaultError};

/// Maximum number of regions of an address space.
const MAX_REGIONS: usize = 65_536;
/// Number of regions whose records are not charged.
const FREE_REGIONS: usize = 64;
/// Number of records of regions for which a frame is charged.
const REGIONS_PER_FRAME: usize = frames::FRAME_BYTES / RegionMap::RECORD_BYTES;
/// The most regions that an operation adds.
const REGIONS_AT_ONCE: usize = 2;

/// Marks entries whose frame belongs to the address space and is freed with the page.
const OWNED: Flags = Flags::BIT_9;

/// Marks entries whose frame a private mapping still shares with the memory object: writing needs a copy first.
const SHARED: Flags = Flags::BIT_11;
/// Marks entries for device registers, which the kernel must not access as memory.
const REGISTERS: Flags = Flags::BIT_10;
/// The flags of entries for device registers: uncached.
const REGISTER_FLAGS: Flags = REGISTERS.union(Flags::NO_CACHE).union(Flags::WRITE_THROUGH);
/// The flags that are kept when an entry's protection changes.
const KEPT: Flags = OWNED.union(SHARED).union(REGISTER_FLAGS);

/// One process's memory.
pub struct AddressSpace {
    root: Frame,
    regions: RegionMap,
    /// Its frame budget and usage.
    pub budget: FrameBudget,
    /// Translations used recently by the kernel.
    recent: Recent,
    /// The CPUs that have its tables loaded.
    holders: Holders,
}

impl AddressSpace {
    /// An empty address space that may use `frame_limit` frames.
    pub fn new(frame_limit: u32) -> Option<Self> {
        let mut budget = FrameBudget::new(frame_limit);
        if !budget.charge(1) {
            return None;
        }
        let root = frames::allocate()?;
        root.zero();
        kernel_space::share_with(root);
        Some(Self {
            root,
            regions: RegionMap::new(FREE_REGIONS),
            budget,
            recent: Recent::new(),
            holders: Holders::NONE,
        })
    }

    /// A placeholder for the memory of an ended process: nothing is mapped or can be.
    pub(crate) const fn ended() -> Self {
        Self {
            root: Frame::NONE,
            regions: RegionMap::new(0),
            budget: FrameBudget::new(0),
            recent: Recent::new(),
            holders: Holders::NONE,
        }
    }

    /// Loads its tables on this CPU.
    #[inline]
    pub(crate) fn load(&mut self) {
        self.holders.add(crate::arch::cpu_index());
        // SAFETY: every root shares the kernel's part (share_with).
        unsafe { crate::arch::load_root(self.root.address()) };
    }

    /// Records that this CPU loads other tables.
    #[inline]
    pub(crate) fn leave(&mut self) {
        self.holders.remove(crate::arch::cpu_index());
    }

    /// Charges memory for the records of more regions, if the next operation may need it. What the budget does not allow is
    /// refused when it is needed. Records are kept until the process ends.
    fn pay_for_regions(&mut self) {
        let limit = self.regions.limit();
        if self.regions.count() + REGIONS_AT_ONCE > limit && limit < MAX_REGIONS && self.budget.charge(1) {
            self.regions.set_limit((limit + REGIONS_PER_FRAME).min(MAX_REGIONS));
        }
    }

    /// Its regions.
    pub const fn regions(&self) -> &RegionMap {
        &self.regions
    }

    /// Runs a step of freeing everything. The tables must not be loaded any more. `true` when everything is freed;
    /// objects that were mapped may have ended then.
    pub(crate) fn destroy_step(&mut self, objects: &mut MemoryObjects, budget: &Budget) -> bool {
        assert!(self.holders.is_empty(), "a CPU holds page tables that are about to be freed");
        // Objects must live as long as their frames are in the tables.
        if !self.free_all_tables(budget) {
            return false;
        }
        while let Some(record) = self.regions.pop() {
            if let Some(region) = record {
                objects.drop_mapping(&region);
            }
            if budget.is_spent() {
                return false;
            }
        }
        true
    }

    /// Unmaps the pages of revoked device registers, in regions that end after `from`, within the budget. The regions
    /// stay, and accessing them is a fault. Returns where to continue, if there is more.
    pub(crate) fn forget_registers_step(
        &mut self,
        objects: &MemoryObjects,
        from: u64,
        budget: &Budget,
    ) -> Option<u64> {
        let mut from = from;
        while self.root != Frame::NONE {
            let region = *self.regions.next_after(from)?;
            if objects.are_gone(&region) {
                let is_clear = self.clear_step(region.start, region.end, budget);
                self.holders.flush(region.start, region.length());
                if !is_clear {
                    return Some(from);
                }
            }
            from = region.end;
            if budget.is_spent() {
                return Some(from);
            }
        }
        None
    }
}

/// A last-level entry for `frame` with `protection`. Without any protection the entry is not present but
/// keeps the frame.
fn leaf(frame: Frame, protection: Protection, kept: Flags) -> Entry {
    let mut flags = kept | Flags::NO_EXECUTE;
    if !protection.is_empty() {
        flags |= Flags::PRESENT | Flags::USER_ACCESSIBLE;
    }
    flags.set(Flags::WRITABLE, protection.contains(Protection::WRITE) && !kept.contains(SHARED));
    if protection.contains(Protection::EXECUTE) {
        flags.remove(Flags::NO_EXECUTE);
    }
    Entry::new(frame.address(), flags)
}
