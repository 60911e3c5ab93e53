//! Address spaces: the regions that a process arranged, and the page tables that follow them as pages are touched.

mod budget;
mod change;
mod fault;
mod recent;
mod walk;

use super::{
    frames::{self, Frame},
    kernel_space,
    objects::{MemoryObjects, ObjectId},
    tables::Entry,
};
use crate::work::Budget;
use alloc::vec::Vec;
use capos_kernel_core::regions::{Backing, Protection, Region, RegionMap, usage};
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
/// What entries for device registers have: uncached.
const REGISTER_FLAGS: Flags = REGISTERS.union(Flags::NO_CACHE).union(Flags::WRITE_THROUGH);
/// What stays when an entry's protection changes.
const KEPT: Flags = OWNED.union(REGISTER_FLAGS);

/// One process's memory.
pub struct AddressSpace {
    root: Frame,
    regions: RegionMap,
    /// What it may use and does use.
    pub budget: FrameBudget,
    /// Which objects are mapped, with how many bytes.
    mapped: Vec<(ObjectId, u64)>,
    /// Translations that the kernel used lately.
    recent: Recent,
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
            mapped: Vec::new(),
            recent: Recent::new(),
        })
    }

    /// Stands in for the memory of a process that has ended: nothing is there and nothing can be.
    pub(crate) const fn ended() -> Self {
        Self {
            root: Frame::NONE,
            regions: RegionMap::new(0),
            budget: FrameBudget::new(0),
            mapped: Vec::new(),
            recent: Recent::new(),
        }
    }

    /// Puts its tables into use on this CPU.
    #[inline]
    pub(crate) fn load(&self) {
        // SAFETY: every root shares the kernel's part (share_with).
        unsafe { crate::arch::load_root(self.root.address()) };
    }

    fn is_loaded(&self) -> bool {
        crate::arch::current_root() == self.root.address()
    }

    /// Its regions.
    pub const fn regions(&self) -> &RegionMap {
        &self.regions
    }

    /// Takes a step of giving back everything. The tables must not be in use any more. `true` when all is given back; the
    /// references to objects that were mapped are the caller's then ([`Self::take_mapped`]).
    pub(crate) fn destroy_step(&mut self, objects: &mut MemoryObjects, budget: &Budget) -> bool {
        while let Some(region) = self.regions.pop() {
            usage::uncount(objects, &region);
            if budget.is_spent() {
                return false;
            }
        }
        self.free_all_tables(budget)
    }

    /// An object that was mapped, whose reference is the caller's to drop.
    pub(crate) fn take_mapped(&mut self) -> Option<ObjectId> {
        self.mapped.pop().map(|(id, _)| id)
    }

    /// Removes the pages of an object that is gone from the tables. Its regions stay, and touching them is a fault.
    pub(crate) fn forget_object(&mut self, id: ObjectId) {
        if !self.mapped.iter().any(|(other, _)| *other == id) {
            return;
        }
        let mut next = 0;
        while let Some(&Region { start, end, backing, .. }) = self.regions.regions().get(next) {
            if matches!(backing, Backing::Object { object, .. } if object == id.index()) {
                self.clear(start, end);
                self.flush(start, end - start);
            }
            next += 1;
        }
    }

    /// Notes that bytes of an object are mapped; `mapped` has room for one more.
    fn note_mapped(&mut self, objects: &mut MemoryObjects, id: ObjectId, bytes: u64) {
        match self.mapped.iter_mut().find(|(other, _)| *other == id) {
            Some((_, count)) => *count += bytes,
            None => {
                self.mapped.push((id, bytes));
                objects.add_reference(id);
            }
        }
    }

    /// Notes that bytes of an object are no longer mapped; returns the object if those were the last.
    fn note_unmapped(&mut self, objects: &MemoryObjects, index: u32, bytes: u64) -> Option<ObjectId> {
        let id = objects.id_at(index)?;
        let position = self.mapped.iter().position(|(other, _)| *other == id)?;
        let (_, count) = self.mapped.get_mut(position)?;
        *count = count.saturating_sub(bytes);
        (*count == 0).then(|| self.mapped.swap_remove(position).0)
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
