//! The layout of an address space: its regions, by address. The page tables are updated to match it.

use crate::{
    OutOfMemory,
    walk::{Flaw, Walk},
};
use bitflags::bitflags;
use capos_abi::{MAPPING_AREA, MAPPING_AREA_END, PAGE_SIZE, USER_END, USER_START};

mod change;
mod list;
mod store;
mod summary;
#[cfg(test)]
mod tests;
mod tree;
pub mod usage;

use store::Store;

bitflags! {
    /// The allowed access to pages. With no bit set, every access is a fault.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Protection: u8 {
        /// Loads.
        const READ = 1;
        /// Stores.
        const WRITE = 2;
        /// Instruction fetches.
        const EXECUTE = 4;
    }
}

impl Protection {
    /// Whether stores and instruction fetches are both allowed, which W^X forbids.
    #[must_use]
    pub const fn breaks_wx(self) -> bool {
        self.contains(Self::WRITE.union(Self::EXECUTE))
    }
}

/// The source of a region's contents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backing {
    /// Zeroed private frames of the process, allocated on first access.
    Anonymous,
    /// The frames of a memory object.
    Object {
        /// The binary's identifier of it.
        object: u32,
        /// Offset in the object where the region begins, in bytes.
        offset: u64,
    },
    /// The frames of a memory object until the process writes to a page, which gives it a frame of its own with a copy.
    Private {
        /// The binary's identifier of it.
        object: u32,
        /// Offset in the object where the region begins, in bytes; not necessarily page-aligned.
        offset: u64,
    },
    /// Pages placed by the kernel (rings, bootstrap pages). The process cannot change them.
    Fixed,
}

impl Backing {
    /// The object that the region keeps alive.
    #[must_use]
    pub const fn object(&self) -> Option<u32> {
        match self {
            Self::Object { object, .. } | Self::Private { object, .. } => Some(*object),
            Self::Anonymous | Self::Fixed => None,
        }
    }

    /// Whether pages with this backing may have this protection: memory of a process's own is never executable.
    const fn may_be(&self, protection: Protection) -> bool {
        matches!(self, Self::Object { .. }) || !protection.contains(Protection::EXECUTE)
    }

    /// The same backing, `bytes` further on.
    const fn plus(self, bytes: u64) -> Self {
        match self {
            Self::Object { object, offset } => Self::Object { object, offset: offset.wrapping_add(bytes) },
            Self::Private { object, offset } => Self::Private { object, offset: offset.wrapping_add(bytes) },
            other @ (Self::Anonymous | Self::Fixed) => other,
        }
    }
}

/// A range of pages with one backing and one protection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region {
    /// First address.
    pub start: u64,
    /// The address after the last one.
    pub end: u64,
    /// The source of the pages' contents.
    pub backing: Backing,
    /// The allowed access.
    pub protection: Protection,
    /// The most permissive `protection` that can be set.
    pub ceiling: Protection,
}

impl Region {
    /// Length in bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.end - self.start
    }

    /// The part of the region within `start..end`, unless that is empty.
    #[must_use]
    fn part(&self, start: u64, end: u64) -> Option<Self> {
        let (start, end) = (start.max(self.start), end.min(self.end));
        let backing = self.backing.plus(start.saturating_sub(self.start));
        (start < end).then_some(Self { start, end, backing, ..*self })
    }

    /// Whether `next` continues this region so that the two can be merged.
    fn joins(&self, next: &Self) -> bool {
        self.backing != Backing::Fixed
            && self.backing.plus(self.length()) == next.backing
            && self.end == next.start
            && self.protection == next.protection
            && self.ceiling == next.ceiling
    }
}

/// The reason that a request was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegionError {
    /// An address or a length is not a multiple of the page size, or the length is zero.
    Unaligned,
    /// The range is outside the part of the address space that a process may map.
    OutsideUserSpace,
    /// Part of the range is in use.
    InUse,
    /// Part of the range is not mapped, or is of a kind that this operation does not apply to.
    NotReserved,
    /// The protection would be both writable and executable.
    WriteAndExecute,
    /// The rights of the object or the VirtualMemory do not allow the protection.
    NotPermitted,
    /// An object that is to be sealed is mapped writable somewhere.
    MappedWritable,
    /// An object that is to be writable here is sealed.
    Sealed,
    /// Pages that are to be executable here are not those of a sealed object.
    NotSealed,
    /// A device may change an object that is to be sealed or mapped privately.
    OfDevice,
    /// The address space has no such free range, or has too many regions.
    Full,
}

impl RegionError {
    /// The reason as a text for error messages.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Unaligned => {
                "address and length must be multiples of the page size, and the length not zero"
            }
            Self::OutsideUserSpace => "the range is outside user space",
            Self::InUse => "part of the range is in use",
            Self::NotReserved => {
                "part of the range is not reserved, or is of a kind that this operation does not apply to"
            }
            Self::WriteAndExecute => "no page may be both writable and executable",
            Self::NotPermitted => "the rights do not allow this protection",
            Self::MappedWritable => {
                "the memory object is mapped writable somewhere, so it cannot be sealed: unmap or protect that mapping first"
            }
            Self::Sealed => "the memory object is sealed, so it cannot be writable",
            Self::NotSealed => "only a sealed memory object can be executable",
            Self::OfDevice => "memory of a device can be neither sealed nor mapped privately",
            Self::Full => "there is no space in the address space",
        }
    }
}

impl From<OutOfMemory> for RegionError {
    fn from(_: OutOfMemory) -> Self {
        Self::Full
    }
}

/// The regions of one address space.
#[derive(Debug)]
pub struct RegionMap {
    /// None of them empty.
    store: Store,
    /// The address where the search for free space starts.
    search_from: u64,
    limit: usize,
}

/// The end of a range, if a process may map the range.
fn checked_end(address: u64, length: u64) -> Result<u64, RegionError> {
    if length == 0 || !address.is_multiple_of(PAGE_SIZE) || !length.is_multiple_of(PAGE_SIZE) {
        return Err(RegionError::Unaligned);
    }
    address
        .checked_add(length)
        .filter(|&end| address >= USER_START && end <= USER_END)
        .ok_or(RegionError::OutsideUserSpace)
}

impl RegionMap {
    /// The memory of a region's record.
    pub const RECORD_BYTES: usize = tree::RECORD_BYTES;

    /// An empty address space for at most `limit` regions.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { store: Store::new(), search_from: MAPPING_AREA, limit }
    }

    /// The number of regions.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.store.len()
    }

    /// The most regions that there may be.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Changes that.
    pub const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// All regions in order of address.
    pub fn regions(&self) -> impl Iterator<Item = &Region> + Clone {
        self.from(0)
    }

    /// The regions that end after `address`, in order.
    fn from(&self, address: u64) -> impl Iterator<Item = &Region> + Clone {
        core::iter::successors(self.next_after(address), |region| self.next_after(region.end))
    }

    /// The first region that ends after `address`.
    #[must_use]
    #[inline]
    pub fn next_after(&self, address: u64) -> Option<&Region> {
        self.store.first_after(address)
    }

    /// The region that contains `address`.
    #[must_use]
    #[inline]
    pub fn find(&self, address: u64) -> Option<&Region> {
        self.next_after(address).filter(|region| region.start <= address)
    }

    /// Adds a region at `address`, or, if `address` is 0, at any free address. Returns its start.
    ///
    /// # Errors
    /// See [`RegionError`].
    pub fn map(
        &mut self,
        address: u64,
        length: u64,
        backing: Backing,
        protection: Protection,
        ceiling: Protection,
    ) -> Result<u64, RegionError> {
        if protection.breaks_wx() {
            return Err(RegionError::WriteAndExecute);
        }
        if !backing.may_be(protection) {
            return Err(RegionError::NotSealed);
        }
        if !ceiling.contains(protection) {
            return Err(RegionError::NotPermitted);
        }
        let start = if address == 0 { self.choose(length)? } else { address };
        let end = checked_end(start, length)?;
        let (before, next) = self.store.around(start);
        if before.is_some_and(|before| before.end > start) || next.is_some_and(|next| next.start < end) {
            return Err(RegionError::InUse);
        }
        let region = Region { start, end, backing, protection, ceiling };
        let before = before.filter(|before| before.joins(&region)).map(|before| before.start);
        let next = next.filter(|next| region.joins(next)).map(|next| (next.start, next.end));
        match (before, next) {
            (None, None) => {
                self.room_for(1)?;
                self.store.insert(region);
            }
            (Some(before), None) => self.store.set_end(before, end),
            (None, Some((next, end))) => {
                self.store.remove(next);
                self.store.insert(Region { end, ..region });
            }
            (Some(before), Some((next, end))) => {
                self.store.remove(next);
                self.store.set_end(before, end);
            }
        }
        if address == 0 {
            self.search_from = end;
        }
        Ok(start)
    }

    /// Finds `length` bytes of free space in the mapping area: after the last one chosen, or else anywhere.
    fn choose(&self, length: u64) -> Result<u64, RegionError> {
        checked_end(MAPPING_AREA, length).map_err(|error| match error {
            RegionError::OutsideUserSpace => RegionError::Full,
            other => other,
        })?;
        self.gap(self.search_from, length).or_else(|| self.gap(MAPPING_AREA, length)).ok_or(RegionError::Full)
    }

    fn gap(&self, from: u64, length: u64) -> Option<u64> {
        self.store.gap(from, MAPPING_AREA_END, length)
    }

    fn room_for(&mut self, count: usize) -> Result<(), RegionError> {
        if self.store.len() + count > self.limit {
            return Err(RegionError::Full);
        }
        Ok(self.store.reserve(count)?)
    }

    /// Whether the regions are in order, disjoint and within user space, and W^X holds everywhere.
    ///
    /// # Errors
    /// [`Flaw::BrokenOff`].
    pub fn is_consistent(&self, walk: &mut Walk<'_>) -> Result<bool, Flaw> {
        self.store.is_consistent(walk, |region| {
            checked_end(region.start, region.length()).is_ok()
                && !region.protection.breaks_wx()
                && region.backing.may_be(region.protection)
                && region.ceiling.contains(region.protection)
        })
    }
}
