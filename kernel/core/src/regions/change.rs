//! Changing ranges of an address space: splitting at the ends, then changing whole regions, then joining again.

use super::{Backing, Protection, Region, RegionError, RegionMap, checked_end};

impl RegionMap {
    /// Changes the protection of a range, all of which must be reserved or mapped. Contents stay.
    ///
    /// # Errors
    /// See [`RegionError`]; nothing changes then.
    pub fn protect(&mut self, address: u64, length: u64, protection: Protection) -> Result<(), RegionError> {
        let end = self.check_protect(address, length, protection)?;
        let (first, last) = self.split_out(address, end)?;
        if let Some(regions) = self.regions.get_mut(first..last) {
            for region in regions {
                region.protection = protection;
            }
        }
        self.merge_around(first, last);
        Ok(())
    }

    /// Whether a range may get a protection, as far as the regions say. Returns its end.
    ///
    /// # Errors
    /// See [`RegionError`].
    pub fn check_protect(
        &self,
        address: u64,
        length: u64,
        protection: Protection,
    ) -> Result<u64, RegionError> {
        if protection.breaks_wx() {
            return Err(RegionError::WriteAndExecute);
        }
        let end = checked_end(address, length)?;
        for region in self.covering(address, end)? {
            if region.backing == Backing::Fixed {
                return Err(RegionError::NotReserved);
            }
            if !region.ceiling.contains(protection) {
                return Err(RegionError::NotPermitted);
            }
        }
        Ok(end)
    }

    /// The parts of regions that lie within `start..end`.
    pub(super) fn pieces(&self, start: u64, end: u64) -> impl Iterator<Item = Region> {
        self.overlapping(start, end).iter().filter_map(move |region| region.part(start, end))
    }

    /// Empties a range. `removed` is told each piece that goes; holes in the range are no error.
    ///
    /// # Errors
    /// See [`RegionError`]; nothing changes then.
    pub fn unmap(
        &mut self,
        address: u64,
        length: u64,
        mut removed: impl FnMut(Region),
    ) -> Result<(), RegionError> {
        let end = checked_end(address, length)?;
        if self.overlapping(address, end).iter().any(|region| region.backing == Backing::Fixed) {
            return Err(RegionError::NotReserved);
        }
        let (first, last) = self.split_out(address, end)?;
        self.regions.drain(first..last).for_each(&mut removed);
        self.search_from = self.search_from.min(address).max(capos_abi::MAPPING_AREA);
        Ok(())
    }

    /// Removes whatever is in a range, also fixed pages: for the kernel's own use.
    ///
    /// # Errors
    /// See [`RegionError`]; nothing changes then.
    pub fn remove_fixed(&mut self, address: u64, length: u64) -> Result<(), RegionError> {
        let end = checked_end(address, length)?;
        let (first, last) = self.split_out(address, end)?;
        self.regions.drain(first..last);
        Ok(())
    }

    /// Removes the last region, whatever it is: for taking an address space apart.
    pub fn pop(&mut self) -> Option<Region> {
        self.regions.pop()
    }

    /// Whether the contents of a range can be discarded: all of it is anonymous.
    ///
    /// # Errors
    /// See [`RegionError`].
    pub fn check_discard(&self, address: u64, length: u64) -> Result<(), RegionError> {
        let end = checked_end(address, length)?;
        if self.covering(address, end)?.iter().all(|region| region.backing == Backing::Anonymous) {
            Ok(())
        } else {
            Err(RegionError::NotReserved)
        }
    }

    /// Whether a range may be emptied: nothing in it is the kernel's. Holes in it are no error.
    ///
    /// # Errors
    /// See [`RegionError`].
    pub fn check_unmap(&self, address: u64, length: u64) -> Result<(), RegionError> {
        let end = checked_end(address, length)?;
        if self.overlapping(address, end).iter().any(|region| region.backing == Backing::Fixed) {
            return Err(RegionError::NotReserved);
        }
        Ok(())
    }

    /// Where the `count`th region that ends after `address` ends; the end of everything if there are not so many.
    #[must_use]
    pub fn end_of(&self, address: u64, count: usize) -> u64 {
        let last = self.first_after(address).saturating_add(count.saturating_sub(1));
        self.regions.get(last).map_or(u64::MAX, |region| region.end)
    }

    /// The regions that `start..end` touches.
    fn overlapping(&self, start: u64, end: u64) -> &[Region] {
        let first = self.first_after(start);
        let last = self.regions.partition_point(|region| region.start < end);
        self.regions.get(first..last.max(first)).unwrap_or(&[])
    }

    /// The same, if there is no hole in the range.
    fn covering(&self, start: u64, end: u64) -> Result<&[Region], RegionError> {
        let regions = self.overlapping(start, end);
        let whole = regions.first().is_some_and(|first| first.start <= start)
            && regions.last().is_some_and(|last| last.end >= end)
            && regions.windows(2).all(|pair| pair[0].end == pair[1].start);
        if whole { Ok(regions) } else { Err(RegionError::NotReserved) }
    }

    /// Splits regions so that some begin at `start` and end at `end`; returns the indices between.
    fn split_out(&mut self, start: u64, end: u64) -> Result<(usize, usize), RegionError> {
        let first = self.first_after(start);
        let last = self.regions.partition_point(|region| region.start < end).max(first);
        let touched = self.regions.get(first..last).unwrap_or(&[]);
        let splits = usize::from(touched.first().is_some_and(|region| region.start < start))
            + usize::from(touched.last().is_some_and(|region| region.end > end));
        // The usual case: whole regions.
        if splits == 0 {
            return Ok((first, last));
        }
        self.room_for(splits)?;
        self.split_at(start);
        self.split_at(end);
        let first = self.first_after(start);
        let last = self.regions.partition_point(|region| region.start < end);
        Ok((first, last.max(first)))
    }

    fn split_at(&mut self, address: u64) {
        let index = self.first_after(address);
        let Some(&region) = self.regions.get(index) else { return };
        if let (Some(head), Some(tail)) =
            (region.part(region.start, address), region.part(address, region.end))
            && region.start < address
        {
            self.regions[index] = head;
            self.regions.insert(index + 1, tail);
        }
    }

    /// Joins the regions from the one before `first` to the one at `last` where they continue each other.
    pub(super) fn merge_around(&mut self, first: usize, last: usize) {
        let end = (last + 1).min(self.regions.len());
        // The last region that stays; those joined to it leave a gap, which is closed once.
        let mut kept = first.saturating_sub(1);
        for index in kept + 1..end {
            let region = self.regions[index];
            if self.regions[kept].joins(&region) {
                self.regions[kept].end = region.end;
            } else {
                kept += 1;
                self.regions[kept] = region;
            }
        }
        if kept + 1 < end {
            self.regions.drain(kept + 1..end);
        }
    }
}
