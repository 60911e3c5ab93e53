//! Changing ranges of an address space: regions are split at the ends of the range, changed as a whole, and
//! merged again.

use super::{
    Protection, Region, RegionError, RegionMap, checked_end,
    summary::{ANONYMOUS, FIXED, OBJECT, PRIVATE, Summary},
};

impl RegionMap {
    /// Changes the protection of a range, all of which must be reserved or mapped. Contents are preserved.
    ///
    /// # Errors
    /// See [`RegionError`]; nothing changes then.
    pub fn protect(&mut self, address: u64, length: u64, protection: Protection) -> Result<(), RegionError> {
        let all = self.covering_for(address, length, protection)?;
        self.protect_all(&all, address, address + length, protection)
    }

    /// Changes the protection of `start..end`, the regions of which are `all` and allow that.
    pub(super) fn protect_all(
        &mut self,
        all: &Summary,
        start: u64,
        end: u64,
        protection: Protection,
    ) -> Result<(), RegionError> {
        self.split_out(all, start, end)?;
        let mut at = start;
        while at < end
            && let Some(next) = self.store.set_protection_after(at, protection)
        {
            at = next;
        }
        self.join_from(start, end);
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
        self.covering_for(address, length, protection)?;
        Ok(address + length)
    }

    /// The properties of the regions in a range that may get a protection.
    pub(super) fn covering_for(
        &self,
        address: u64,
        length: u64,
        protection: Protection,
    ) -> Result<Summary, RegionError> {
        if protection.breaks_wx() {
            return Err(RegionError::WriteAndExecute);
        }
        let end = checked_end(address, length)?;
        let all = self.covering(address, end)?;
        if all.kinds & FIXED != 0 {
            return Err(RegionError::NotReserved);
        }
        // Memory of a process's own is never executable.
        if protection.contains(Protection::EXECUTE) && all.kinds & !OBJECT != 0 {
            return Err(RegionError::NotSealed);
        }
        if !all.ceiling.contains(protection) {
            return Err(RegionError::NotPermitted);
        }
        Ok(all)
    }

    /// The parts of regions within `start..end`.
    pub(super) fn pieces(&self, start: u64, end: u64) -> impl Iterator<Item = Region> {
        let overlapping = self.from(start).take_while(move |region| region.start < end);
        overlapping.filter_map(move |region| region.part(start, end))
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
        if let Some(all) = self.all_to_unmap(address, length)? {
            self.split_out(&all, address, address + length)?;
            self.store.remove_between(address, address + length, &mut removed);
        }
        self.search_from = self.search_from.min(address).max(capos_abi::MAPPING_AREA);
        Ok(())
    }

    /// Removes everything in a range, including fixed pages: for the kernel's own use.
    ///
    /// # Errors
    /// See [`RegionError`]; nothing changes then.
    pub fn remove_fixed(&mut self, address: u64, length: u64) -> Result<(), RegionError> {
        let end = checked_end(address, length)?;
        if let Some(all) = self.store.summary(address, end) {
            self.split_out(&all, address, end)?;
            self.store.remove_between(address, end, &mut |_| ());
        }
        Ok(())
    }

    /// Removes a record: for tearing down an address space, in which nothing can be found any more. Not every record is of
    /// a region.
    pub fn pop(&mut self) -> Option<Option<Region>> {
        self.store.pop()
    }

    /// Checks whether the contents of a range can be discarded, which requires all of it to be the process's own.
    ///
    /// # Errors
    /// See [`RegionError`].
    pub fn check_discard(&self, address: u64, length: u64) -> Result<(), RegionError> {
        let end = checked_end(address, length)?;
        let is_own = self.covering(address, end)?.kinds & !(ANONYMOUS | PRIVATE) == 0;
        if is_own { Ok(()) } else { Err(RegionError::NotReserved) }
    }

    /// Checks whether a range may be unmapped, which requires it to contain no kernel pages. Holes in it are
    /// not an error.
    ///
    /// # Errors
    /// See [`RegionError`].
    pub fn check_unmap(&self, address: u64, length: u64) -> Result<(), RegionError> {
        self.all_to_unmap(address, length).map(|_| ())
    }

    /// The properties of the regions in a range that may be unmapped, if there are any.
    fn all_to_unmap(&self, address: u64, length: u64) -> Result<Option<Summary>, RegionError> {
        let end = checked_end(address, length)?;
        let all = self.store.summary(address, end);
        if all.is_some_and(|all| all.kinds & FIXED != 0) { Err(RegionError::NotReserved) } else { Ok(all) }
    }

    /// The end of the part of `start..end` that contains at most `count` regions.
    #[must_use]
    pub fn end_of(&self, start: u64, end: u64, count: usize) -> u64 {
        let mut at = start;
        for _ in 0..count {
            match self.next_after(at) {
                Some(region) if region.end < end => at = region.end,
                _ => return end,
            }
        }
        at
    }

    /// The properties of the regions in `start..end`, if there is no hole in the range.
    fn covering(&self, start: u64, end: u64) -> Result<Summary, RegionError> {
        let all = self.store.summary(start, end);
        all.filter(|all| all.first <= start && end <= all.last && all.gap == 0)
            .ok_or(RegionError::NotReserved)
    }

    /// Splits regions so that there are boundaries at `start` and `end`, between which are the regions `all`.
    fn split_out(&mut self, all: &Summary, start: u64, end: u64) -> Result<(), RegionError> {
        let (is_first_split, is_last_split) = (all.first < start, end < all.last);
        // The usual case: the boundaries already exist.
        if !is_first_split && !is_last_split {
            return Ok(());
        }
        self.room_for(usize::from(is_first_split) + usize::from(is_last_split))?;
        for address in [start, end] {
            if let Some(region) = self.split_by(address)
                && let Some(tail) = region.part(address, region.end)
            {
                self.store.set_end(region.start, address);
                self.store.insert(tail);
            }
        }
        Ok(())
    }

    /// The region that a boundary at `address` would split.
    fn split_by(&self, address: u64) -> Option<Region> {
        self.find(address).filter(|region| region.start < address).copied()
    }

    /// Joins the regions from the one before `start` to the one at `end` where they continue each other.
    pub(super) fn join_from(&mut self, start: u64, end: u64) {
        let Some(&(mut kept)) = self.next_after(start - 1) else { return };
        let mut is_longer = false;
        while kept.end <= end
            && let Some(&next) = self.next_after(kept.end)
        {
            if kept.joins(&next) {
                self.store.remove(next.start);
                (kept.end, is_longer) = (next.end, true);
                continue;
            }
            if core::mem::take(&mut is_longer) {
                self.store.set_end(kept.start, kept.end);
            }
            kept = next;
        }
        if is_longer {
            self.store.set_end(kept.start, kept.end);
        }
    }
}
