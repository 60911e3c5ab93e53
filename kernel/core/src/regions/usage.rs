//! W^X over all mappings of a memory object. An object is writable until it is sealed, and only a sealed one may be
//! mapped executable. Sealing is refused while a writable mapping exists in any address space, and nothing undoes it.

use super::{Backing, Protection, Region, RegionError, RegionMap, summary::OBJECT};
use capos_abi::PAGE_SIZE;

#[cfg(test)]
mod tests;

/// How one object may be mapped: whether it is sealed, and the number of pages of all its mappings that are writable.
/// A page that is mapped twice counts twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MappedUse {
    writable: u64,
    is_sealed: bool,
}

impl MappedUse {
    /// No mapping, not sealed.
    #[must_use]
    pub const fn new() -> Self {
        Self { writable: 0, is_sealed: false }
    }

    /// The number of writable pages of all mappings.
    #[must_use]
    pub const fn writable_pages(&self) -> u64 {
        self.writable
    }

    /// Whether the object is sealed.
    #[must_use]
    pub const fn is_sealed(&self) -> bool {
        self.is_sealed
    }

    /// Forbids writable mappings for ever, and permits executable ones.
    ///
    /// # Errors
    /// `MappedWritable` if a writable mapping exists.
    pub fn seal(&mut self) -> Result<(), RegionError> {
        if self.writable > 0 {
            return Err(RegionError::MappedWritable);
        }
        self.is_sealed = true;
        Ok(())
    }

    /// Counts a mapping of `bytes` with `protection`.
    pub fn add(&mut self, protection: Protection, bytes: u64) {
        // At most 2^24 pages per region, 2^16 regions per process and 2^16 processes: no overflow is
        // possible.
        if protection.contains(Protection::WRITE) {
            self.writable = self.writable.saturating_add(bytes / PAGE_SIZE);
        }
    }

    /// Stops counting a mapping of `bytes` with `protection`.
    pub fn remove(&mut self, protection: Protection, bytes: u64) {
        if protection.contains(Protection::WRITE) {
            self.writable = self.writable.saturating_sub(bytes / PAGE_SIZE);
        }
    }

    /// Whether the object may be mapped with `protection`.
    ///
    /// # Errors
    /// `Sealed` or `NotSealed`.
    pub fn check(&self, protection: Protection) -> Result<(), RegionError> {
        if self.is_sealed && protection.contains(Protection::WRITE) {
            Err(RegionError::Sealed)
        } else if !self.is_sealed && protection.contains(Protection::EXECUTE) {
            Err(RegionError::NotSealed)
        } else {
            Ok(())
        }
    }
}

/// The mapping counts of all objects.
pub trait ObjectUses {
    /// The counts of the object with the identifier `object`.
    fn use_of(&mut self, object: u32) -> Option<&mut MappedUse>;
}

/// Counts a region, if it is a mapping of an object.
pub fn count(uses: &mut impl ObjectUses, region: &Region) {
    with_use(uses, region, |mapped| mapped.add(region.protection, region.length()));
}

/// Stops counting a region that is unmapped.
pub fn uncount(uses: &mut impl ObjectUses, region: &Region) {
    with_use(uses, region, |mapped| mapped.remove(region.protection, region.length()));
}

fn with_use(uses: &mut impl ObjectUses, region: &Region, change: impl FnOnce(&mut MappedUse)) {
    if let Backing::Object { object, .. } = region.backing
        && let Some(mapped) = uses.use_of(object)
    {
        change(mapped);
    }
}

impl RegionMap {
    /// As [`RegionMap::map`], for part of the object whose counts are `mapped`.
    ///
    /// # Errors
    /// See [`RegionError`]; nothing changes then.
    pub fn map_object(
        &mut self,
        mapped: &mut MappedUse,
        address: u64,
        length: u64,
        backing: Backing,
        protection: Protection,
        ceiling: Protection,
    ) -> Result<u64, RegionError> {
        mapped.check(protection)?;
        let start = self.map(address, length, backing, protection, ceiling)?;
        mapped.add(protection, length);
        Ok(start)
    }

    /// As [`RegionMap::protect`], updating the counts of the objects mapped in the range.
    ///
    /// # Errors
    /// See [`RegionError`]; nothing changes then.
    pub fn protect_counted(
        &mut self,
        uses: &mut impl ObjectUses,
        address: u64,
        length: u64,
        protection: Protection,
    ) -> Result<(), RegionError> {
        let all = self.covering_for(address, length, protection)?;
        let end = address + length;
        if all.kinds & OBJECT == 0 {
            return self.protect_all(&all, address, end, protection);
        }
        let mut allowed = Ok(());
        for piece in self.pieces(address, end) {
            with_use(uses, &piece, |mapped| allowed = allowed.and(mapped.check(protection)));
        }
        allowed?;
        for piece in self.pieces(address, end) {
            uncount(uses, &piece);
        }
        let changed = self.protect_all(&all, address, end, protection);
        // Changed regions are counted with the new protection, unchanged ones with the old.
        for piece in self.pieces(address, end) {
            count(uses, &piece);
        }
        changed
    }
}
