//! Changes of an address space by its process.

use super::{AddressSpace, KEPT, leaf};
use crate::mm::{
    frames::FRAME_BYTES,
    objects::{MemoryObjects, ObjectId},
};
use capos_kernel_core::regions::{Backing, Protection, RegionError};

const PAGE: u64 = FRAME_BYTES as u64;

/// The reason why a change was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpaceError {
    /// The range or the protection is not allowed.
    Region(RegionError),
    /// The range is not within the object.
    OutsideObject,
    /// The frame budget or the machine's memory is exhausted.
    OutOfMemory,
}

/// The length of a range within an object of this size.
fn length_within(part: &core::ops::Range<u64>, bytes: u64) -> Result<u64, SpaceError> {
    if part.start > part.end || part.end > bytes {
        return Err(SpaceError::OutsideObject);
    }
    Ok(part.end - part.start)
}

impl From<RegionError> for SpaceError {
    fn from(error: RegionError) -> Self {
        Self::Region(error)
    }
}

impl AddressSpace {
    /// Reserves a range for demand-zero pages. `ceiling` is the maximum protection it may ever have.
    ///
    /// # Errors
    /// See [`SpaceError`].
    pub fn reserve(
        &mut self,
        address: u64,
        length: u64,
        protection: Protection,
        ceiling: Protection,
    ) -> Result<u64, SpaceError> {
        self.pay_for_regions();
        Ok(self.regions.map(address, length, Backing::Anonymous, protection, ceiling)?)
    }

    /// Maps part of an object.
    ///
    /// # Errors
    /// See [`SpaceError`].
    pub fn map_object(
        &mut self,
        objects: &mut MemoryObjects,
        id: ObjectId,
        part: core::ops::Range<u64>,
        address: u64,
        protection: Protection,
        ceiling: Protection,
    ) -> Result<u64, SpaceError> {
        let object = objects.get_mut(id).ok_or(SpaceError::OutsideObject)?;
        let length = length_within(&part, object.bytes())?;
        if !part.start.is_multiple_of(PAGE) {
            return Err(RegionError::Unaligned.into());
        }
        let backing = Backing::Object { object: id.index(), offset: part.start };
        self.pay_for_regions();
        let start =
            self.regions.map_object(&mut object.mapped, address, length, backing, protection, ceiling)?;
        objects.add_mapping(id, length);
        Ok(start)
    }

    /// Maps part of an object privately: each page is copied when it is first written, or, if the part does not start at a
    /// page, when it is first used.
    ///
    /// # Errors
    /// See [`SpaceError`].
    pub(crate) fn map_private(
        &mut self,
        objects: &mut MemoryObjects,
        id: ObjectId,
        part: core::ops::Range<u64>,
        address: u64,
        protection: Protection,
        ceiling: Protection,
    ) -> Result<u64, SpaceError> {
        let object = objects.get(id).ok_or(SpaceError::OutsideObject)?;
        if object.is_of_device() {
            return Err(RegionError::OfDevice.into());
        }
        let length = length_within(&part, object.bytes())?;
        let backing = Backing::Private { object: id.index(), offset: part.start };
        self.pay_for_regions();
        let start = self.regions.map(address, length, backing, protection, ceiling)?;
        objects.add_mapping(id, length);
        Ok(start)
    }

    /// Changes the protection of a range. Contents are kept.
    ///
    /// # Errors
    /// See [`SpaceError`].
    pub fn protect(
        &mut self,
        objects: &mut MemoryObjects,
        address: u64,
        length: u64,
        protection: Protection,
    ) -> Result<(), SpaceError> {
        self.pay_for_regions();
        self.regions.protect_counted(objects, address, length, protection)?;
        self.change_leaves(address, address + length, &mut |_, entry| {
            leaf(entry.frame(), protection, entry.flags() & KEPT)
        });
        self.holders.flush(address, length);
        Ok(())
    }

    /// Unmaps every page in a range. Objects that were mapped there may have ended then.
    ///
    /// # Errors
    /// See [`SpaceError`].
    pub fn unmap(
        &mut self,
        objects: &mut MemoryObjects,
        address: u64,
        length: u64,
    ) -> Result<(), SpaceError> {
        self.pay_for_regions();
        self.regions.unmap(address, length, |region| objects.drop_mapping(&region))?;
        self.clear(address, address + length);
        self.holders.flush(address, length);
        Ok(())
    }

    /// Frees the frames that the process has in a range, which stays reserved. Anonymous pages read as zero then, and
    /// pages of private mappings as the object's.
    ///
    /// # Errors
    /// See [`SpaceError`].
    pub fn discard(&mut self, address: u64, length: u64) -> Result<(), SpaceError> {
        self.regions.check_discard(address, length)?;
        self.clear(address, address + length);
        self.holders.flush(address, length);
        Ok(())
    }

    /// Maps pages filled by the kernel: allocates a frame for each page and lets `fill` write it.
    ///
    /// # Errors
    /// See [`SpaceError`].
    pub(crate) fn place_fixed(
        &mut self,
        address: u64,
        pages: u64,
        protection: Protection,
        mut fill: impl FnMut(u64, crate::mm::frames::Frame),
    ) -> Result<(), SpaceError> {
        self.pay_for_regions();
        self.regions.map(address, pages * PAGE, Backing::Fixed, protection, protection)?;
        for page in 0..pages {
            let at = address + page * PAGE;
            let placed = self.take_frame().is_some_and(|frame| {
                frame.zero();
                fill(page, frame);
                let placed = self.place(at, frame, protection);
                if !placed {
                    crate::mm::frames::release(frame);
                    self.budget.refund(1);
                }
                placed
            });
            if !placed {
                self.remove_fixed(address, pages);
                return Err(SpaceError::OutOfMemory);
            }
        }
        Ok(())
    }

    /// Unmaps pages filled by the kernel.
    pub(crate) fn remove_fixed(&mut self, address: u64, pages: u64) {
        // The range is exactly one region created by `place_fixed`, so nothing is split and nothing can fail.
        let _ = self.regions.remove_fixed(address, pages * PAGE);
        self.clear(address, address + pages * PAGE);
        self.holders.flush(address, pages * PAGE);
    }
}
