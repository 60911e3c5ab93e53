//! Changing ranges of an address space: regions are split at the ends of the range, changed as a whole, and
//! merged again.

use super::{Backing, Protection, Region, RegionError, RegionMap, checked_end};

impl RegionMap {
    /// Changes the protection of a range, all of which must be reserved or mapped. Contents are preserved.
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

    /// Checks whether a range may get a protection according to the regions. Returns its end.
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
            if !region.backing.may_be(protection) {
                return Err(RegionError::NotSealed);
            }
            if !region.ceiling.contains(protection) {
                return Err(RegionError::NotPermitted);
            }
        }
        Ok(end)
    }

    /// The parts of regions within `start..end`.
    pub(super) fn pieces(&self, start: u64, end: u64) -> impl Iterator<Item = Region> {
        self.overlapping(start, end).iter().filter_map(move |region| region.part(start, end))
    }

    /// Unmaps a range. `removed` is called with each removed piece; holes in the range are not an error.
    ///
    /// # Errors
    /// See [`RegionError`]; nothing changes then.
    pub fn unmap(
        &mut self,
        address: u64,
        length: u64,
        mut removed: impl FnMut(Region),
    ) -> Result<(), RegionError> {
        self.check_unmap(address, length)?;
        let (first, last) = self.split_out(address, address + length)?;
        self.regions.drain(first..last).for_each(&mut removed);
        self.search_from = self.search_from.min(address).max(capos_abi::MAPPING_AREA);
        Ok(())
    }

    /// Removes everything in a range, including fixed pages: for the kernel's own use.
    ///
    /// # Errors
    /// See [`RegionError`]; nothing changes then.
    pub fn remove_fixed(&mut self, address: u64, length: u64) -> Result<(), RegionError> {
        let end = checked_end(address, length)?;
        let (first, last) = self.split_out(address, end)?;
        self.regions.drain(first..last);
        Ok(())
    }

    /// Removes the last region of any kind: for tearing down an address space.
    pub fn pop(&mut self) -> Option<Region> {
        self.regions.pop()
    }

    /// Checks whether the contents of a range can be discarded, which requires all of it to be the process's own.
    ///
    /// # Errors
    /// See [`RegionError`].
    pub fn check_discard(&self, address: u64, length: u64) -> Result<(), RegionError> {
        let end = checked_end(address, length)?;
        let is_own = |region: &Region| matches!(region.backing, Backing::Anonymous | Backing::Private { .. });
        if self.covering(address, end)?.iter().all(is_own) { Ok(()) } else { Err(RegionError::NotReserved) }
    }

    /// Checks whether a range may be unmapped, which requires it to contain no kernel pages. Holes in it are
    /// not an error.
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

    /// The end of the `count`th region that ends after `address`; the end of the address space if there are
    /// fewer.
    #[must_use]
    pub fn end_of(&self, address: u64, count: usize) -> u64 {
        let last = self.first_after(address).saturating_add(count.saturating_sub(1));
        self.regions.get(last).map_or(u64::MAX, |region| region.end)
    }

    /// The regions that overlap `start..end`.
    fn overlapping(&self, start: u64, end: u64) -> &[Region] {
        let first = self.first_after(start);
        let last = self.regions.partition_point(|region| region.start < end);
        self.regions.get(first..last.max(first)).unwrap_or(&[])
    }

    /// As [`Self::overlapping`], if there is no hole in the range.
    fn covering(&self, start: u64, end: u64) -> Result<&[Region], RegionError> {
        let regions = self.overlapping(start, end);
        let whole = regions.first().is_some_and(|first| first.start <= start)
            && regions.last().is_some_and(|last| last.end >= end)
            && regions.windows(2).all(|pair| pair[0].end == pair[1].start);
        if whole { Ok(regions) } else { Err(RegionError::NotReserved) }
    }

    /// Splits regions so that there are boundaries at `start` and `end`; returns the indices between.
    fn split_out(&mut self, start: u64, end: u64) -> Result<(usize, usize), RegionError> {
        let first = self.first_after(start);
        let last = self.regions.partition_point(|region| region.start < end).max(first);
        let touched = self.regions.get(first..last).unwrap_or(&[]);
        let splits = usize::from(touched.first().is_some_and(|region| region.start < start))
            + usize::from(touched.last().is_some_and(|region| region.end > end));
        // The usual case: the boundaries already exist.
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

    /// Merges the regions from the one before `first` to the one at `last` where they are contiguous.
    pub(super) fn merge_around(&mut self, first: usize, last: usize) {
        let end = (last + 1).min(self.regions.len());
        // The last region kept; those merged into it leave a gap, which is closed once at the end.
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
