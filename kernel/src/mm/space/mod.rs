//! Address spaces: the regions that a process arranged, and the page tables that follow them as pages are touched.

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
use crate::work::Budget;
use capos_kernel_core::regions::{Protection, RegionMap};
use holders::Holders;
use recent::Recent;
use x86_64::structures::paging::PageTableFlags as Flags;

pub use budget::FrameBudget;
pub use change::SpaceError;
pub use fault::{Access, FaultError};

/// The most regions of one address space.
const MAX_REGIONS: usize = 4096;

/// Marks entries whose frame belongs to the address space and goes back when the page does.
const OWNED: Flags = Flags::BIT_9;

/// Marks entries for device registers, which the kernel must not touch as memory.
const REGISTERS: Flags = Flags::BIT_10;
/// The flags of entries for device registers: uncached.
const REGISTER_FLAGS: Flags = REGISTERS.union(Flags::NO_CACHE).union(Flags::WRITE_THROUGH);
/// The flags that stay when an entry's protection changes.
const KEPT: Flags = OWNED.union(REGISTER_FLAGS);

/// One process's memory.
pub struct AddressSpace {
    root: Frame,
    regions: RegionMap,
    /// The frames that it may use and does use.
    pub budget: FrameBudget,
    /// Translations that the kernel used lately.
    recent: Recent,
    /// The CPUs that hold its tables.
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
            regions: RegionMap::new(MAX_REGIONS),
            budget,
            recent: Recent::new(),
            holders: Holders::NONE,
        })
    }

    /// Stands in for the memory of a process that has ended: nothing is there and nothing can be.
    pub(crate) const fn ended() -> Self {
        Self {
            root: Frame::NONE,
            regions: RegionMap::new(0),
            budget: FrameBudget::new(0),
            recent: Recent::new(),
            holders: Holders::NONE,
        }
    }

    /// Puts its tables into use on this CPU.
    #[inline]
    pub(crate) fn load(&mut self) {
        self.holders.add(crate::arch::cpu_index());
        // SAFETY: every root shares the kernel's part (share_with).
        unsafe { crate::arch::load_root(self.root.address()) };
    }

    /// Notes that this CPU puts other tables into use.
    #[inline]
    pub(crate) fn leave(&mut self) {
        self.holders.remove(crate::arch::cpu_index());
    }

    /// Its regions.
    pub const fn regions(&self) -> &RegionMap {
        &self.regions
    }

    /// Takes a step of giving back everything. The tables must not be in use any more. `true` when all is given back; objects
    /// that were mapped may have ended then.
    pub(crate) fn destroy_step(&mut self, objects: &mut MemoryObjects, budget: &Budget) -> bool {
        assert!(self.holders.is_empty(), "a CPU holds page tables that are about to be freed");
        // Objects live for as long as their frames are in the tables.
        if !self.free_all_tables(budget) {
            return false;
        }
        while let Some(region) = self.regions.pop() {
            objects.drop_mapping(&region);
            if budget.is_spent() {
                return self.regions.regions().is_empty();
            }
        }
        true
    }

    /// Removes the pages of device registers that were taken back from the tables, in regions that end after `from`, as far as
    /// the budget goes. The regions stay, and touching them is a fault. Returns where to go on, if there is more.
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

/// A last-level entry for `frame` as `protection` allows. Without any protection the entry is not present but
/// remembers the frame.
fn leaf(frame: Frame, protection: Protection, kept: Flags) -> Entry {
    let mut flags = kept | Flags::NO_EXECUTE;
    if !protection.is_empty() {
        flags |= Flags::PRESENT | Flags::USER_ACCESSIBLE;
    }
    flags.set(Flags::WRITABLE, protection.contains(Protection::WRITE));
    if protection.contains(Protection::EXECUTE) {
        flags.remove(Flags::NO_EXECUTE);
    }
    Entry::new(frame.address(), flags)
}
