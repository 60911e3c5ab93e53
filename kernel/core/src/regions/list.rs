//! Regions in a sorted list: for few of them, everything takes fewer instructions than in a [tree](super::tree).

use super::{
    Protection, Region,
    summary::{Summary, both},
};
use crate::{
    OutOfMemory,
    walk::{Flaw, Walk},
};
use alloc::vec::Vec;

/// Disjoint regions, by address.
#[derive(Debug)]
pub(super) struct List {
    regions: Vec<Region>,
}

impl List {
    pub(super) const fn new() -> Self {
        Self { regions: Vec::new() }
    }

    /// The number of regions.
    pub(super) const fn len(&self) -> usize {
        self.regions.len()
    }

    /// All of them.
    pub(super) fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The place of the first region that ends after `address`.
    #[inline]
    fn place_after(&self, address: u64) -> usize {
        self.regions.partition_point(|region| region.end <= address)
    }

    /// The first region that ends after `address`.
    #[inline]
    pub(super) fn first_after(&self, address: u64) -> Option<&Region> {
        self.regions.get(self.place_after(address))
    }

    /// The last region that starts before `address`, and the first that does not.
    pub(super) fn around(&self, address: u64) -> (Option<&Region>, Option<&Region>) {
        let place = self.regions.partition_point(|region| region.start < address);
        (self.regions.get(place.wrapping_sub(1)), self.regions.get(place))
    }

    /// Sets the protection of the first region that ends after `address`. Returns its end.
    pub(super) fn set_protection_after(&mut self, address: u64, protection: Protection) -> Option<u64> {
        let place = self.place_after(address);
        let region = self.regions.get_mut(place)?;
        region.protection = protection;
        Some(region.end)
    }

    /// The properties of the regions that overlap `start..end`, if there are any.
    pub(super) fn summary(&self, start: u64, end: u64) -> Option<Summary> {
        let regions = self.regions.get(self.place_after(start)..)?;
        let overlapping = regions.iter().take_while(|region| region.start < end);
        overlapping.fold(None, |all, region| both(all, Some(Summary::of(region))))
    }

    /// The lowest free range of `length` bytes within `from..end`.
    pub(super) fn gap(&self, from: u64, end: u64, length: u64) -> Option<u64> {
        let mut start = from;
        for region in self.regions.get(self.place_after(from)..)? {
            if region.start.saturating_sub(start) >= length {
                break;
            }
            start = start.max(region.end);
        }
        (end.saturating_sub(start) >= length).then_some(start)
    }

    /// Makes room for `count` more regions.
    pub(super) fn reserve(&mut self, count: usize) -> Result<(), OutOfMemory> {
        crate::reserve(&mut self.regions, count)
    }

    /// Adds a region, which overlaps none. There must be [room](Self::reserve).
    pub(super) fn insert(&mut self, region: Region) {
        self.regions.insert(self.place_after(region.start), region);
    }

    /// Removes the region that starts at `start`, which must be there.
    pub(super) fn remove(&mut self, start: u64) {
        self.regions.remove(self.place_after(start));
    }

    /// Removes the regions in `start..end`, which are entirely in it.
    pub(super) fn remove_between(&mut self, start: u64, end: u64, removed: &mut dyn FnMut(Region)) {
        let place = self.place_after(start);
        while let Some(&region) = self.regions.get(place).filter(|region| region.start < end) {
            self.regions.remove(place);
            removed(region);
        }
    }

    /// Moves the end of the region that starts at `start`, which then still overlaps none.
    pub(super) fn set_end(&mut self, start: u64, end: u64) {
        let place = self.place_after(start);
        if let Some(region) = self.regions.get_mut(place) {
            region.end = end;
        }
    }

    /// Removes the last region.
    pub(super) fn pop(&mut self) -> Option<Region> {
        self.regions.pop()
    }

    /// Whether the regions are in order, and `holds` for every one.
    ///
    /// # Errors
    /// [`Flaw::BrokenOff`].
    pub(super) fn is_consistent(
        &self,
        walk: &mut Walk<'_>,
        holds: impl Fn(&Region) -> bool,
    ) -> Result<bool, Flaw> {
        walk.look()?;
        let in_order = self.regions.windows(2).all(|pair| pair[0].end <= pair[1].start);
        Ok(in_order && self.regions.iter().all(holds))
    }
}
