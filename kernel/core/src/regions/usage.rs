//! W^X over all mappings of a memory object: its pages may be mapped writable or mapped executable, in
//! any number of address spaces, but never both.

use super::{Backing, Protection, Region, RegionError, RegionMap};
use capos_abi::PAGE_SIZE;

#[cfg(test)]
mod tests;

/// The number of pages of all mappings of one object that are writable, and that are executable. A page that is
/// mapped twice counts twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MappedUse {
    writable: u64,
    executable: u64,
}

impl MappedUse {
    /// No mapping.
    #[must_use]
    pub const fn new() -> Self {
        Self { writable: 0, executable: 0 }
    }

    /// Whether any mapping is writable.
    #[must_use]
    pub const fn is_writable(&self) -> bool {
        self.writable > 0
    }

    /// Counts a mapping of `bytes` with `protection`.
    pub fn add(&mut self, protection: Protection, bytes: u64) {
        // At most 2^24 pages per region, 2^12 regions per process and 2^16 processes: no overflow is
        // possible.
        self.change(protection, bytes, u64::saturating_add);
    }

    /// Stops counting a mapping of `bytes` with `protection`.
    pub fn remove(&mut self, protection: Protection, bytes: u64) {
        self.change(protection, bytes, u64::saturating_sub);
    }

    fn change(&mut self, protection: Protection, bytes: u64, change: impl Fn(u64, u64) -> u64) {
        if protection.contains(Protection::WRITE) {
            self.writable = change(self.writable, bytes / PAGE_SIZE);
        }
        if protection.contains(Protection::EXECUTE) {
            self.executable = change(self.executable, bytes / PAGE_SIZE);
        }
    }

    /// Whether a mapping with `protection` may exist together with those counted.
    ///
    /// # Errors
    /// `MappedWritable` or `MappedExecutable`.
    pub fn check(&self, protection: Protection) -> Result<(), RegionError> {
        if protection.contains(Protection::EXECUTE) && self.writable > 0 {
            Err(RegionError::MappedWritable)
        } else if protection.contains(Protection::WRITE) && self.executable > 0 {
            Err(RegionError::MappedExecutable)
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
        self.check_protect(address, length, protection)?;
        let end = address + length;
        // One object may occur in several pieces of the range, so all are recounted before any is checked.
        for piece in self.pieces(address, end) {
            uncount(uses, &piece);
        }
        let mut allowed = Ok(());
        for piece in self.pieces(address, end) {
            with_use(uses, &piece, |mapped| allowed = allowed.and(mapped.check(protection)));
        }
        let changed = match allowed {
            Ok(()) => self.protect(address, length, protection),
            refused => refused,
        };
        // Changed regions are counted with the new protection, unchanged ones with the old.
        for piece in self.pieces(address, end) {
            count(uses, &piece);
        }
        changed
    }
}
