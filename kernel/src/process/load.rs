//! Loading a program: segments that can be shared are mapped where they lie, the others are copied. Code is also copied
//! while its object is mapped writable somewhere, which no executable mapping may stand beside.

use crate::mm::{AddressSpace, FaultError, MemoryObjects, ObjectId, SpaceError};
use capos_abi::{PAGE_SIZE, USER_END};
use capos_kernel_core::{
    elf::{self, Segment},
    regions::{Protection, RegionError},
};

/// Where a program lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Image {
    /// The object it lies in.
    pub(super) object: ObjectId,
    /// Its first byte there.
    pub(super) offset: u64,
    /// Its length in bytes.
    pub(super) length: u64,
}

/// Why a program could not be loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoadError {
    /// What is wrong with the file.
    BadImage(&'static str),
    /// The new process's budget, or the machine's memory, does not suffice.
    OutOfMemory,
}

impl From<SpaceError> for LoadError {
    fn from(error: SpaceError) -> Self {
        match error {
            SpaceError::Region(RegionError::Full) => Self::OutOfMemory,
            SpaceError::Region(error) => Self::BadImage(error.message()),
            SpaceError::OutsideObject => Self::BadImage("a segment lies outside the memory object"),
            SpaceError::OutOfMemory => Self::OutOfMemory,
        }
    }
}

impl From<FaultError> for LoadError {
    fn from(_: FaultError) -> Self {
        Self::OutOfMemory
    }
}

/// Loads the program into an empty address space and returns its entry point.
pub(super) fn load(
    space: &mut AddressSpace,
    objects: &mut MemoryObjects,
    image: Image,
    executable_ceiling: Protection,
) -> Result<u64, LoadError> {
    let object =
        objects.get_mut(image.object).ok_or(LoadError::BadImage("there is no such memory object"))?;
    if image.offset.checked_add(image.length).is_none_or(|end| end > object.bytes()) {
        return Err(LoadError::BadImage("the image lies outside the memory object"));
    }
    let mut header = [0; 1024];
    let header_bytes = image.length.min(header.len() as u64) as usize;
    let header = header.get_mut(..header_bytes).unwrap_or_default();
    if !object.read(image.offset, header) {
        return Err(LoadError::OutOfMemory);
    }
    let plan = elf::plan(header, image.length).map_err(LoadError::BadImage)?;
    for segment in plan.segments() {
        if segment.page_end() > USER_END {
            return Err(LoadError::BadImage("a segment lies outside user space"));
        }
        let is_written = objects.get(image.object).is_some_and(crate::mm::MemoryObject::is_mapped_writable);
        let must_copy = is_written && segment.protection.contains(Protection::EXECUTE);
        let ceiling = Protection::READ | Protection::WRITE | executable_ceiling;
        match in_place(segment, image).filter(|_| !must_copy) {
            Some(part) => {
                space.map_object(
                    objects,
                    image.object,
                    part,
                    segment.page_start(),
                    segment.protection,
                    segment.protection,
                )?;
            }
            None => copy(space, objects, image, segment, ceiling | segment.protection)?,
        }
    }
    Ok(plan.entry)
}

/// The part of the object that can be mapped as the segment, if it can.
fn in_place(segment: &Segment, image: Image) -> Option<core::ops::Range<u64>> {
    let start = image.offset + segment.file_offset;
    let is_congruent = start % PAGE_SIZE == segment.address % PAGE_SIZE;
    let is_whole = segment.file_bytes == segment.memory_bytes;
    if segment.protection.contains(Protection::WRITE) || !is_congruent || !is_whole {
        return None;
    }
    let first = start & !(PAGE_SIZE - 1);
    let last = (start + segment.file_bytes).next_multiple_of(PAGE_SIZE);
    // What lies beside the segment on its pages must be part of the same program.
    let within = first >= image.offset && last <= image.offset + image.length;
    within.then_some(first..last)
}

fn copy(
    space: &mut AddressSpace,
    objects: &mut MemoryObjects,
    image: Image,
    segment: &Segment,
    ceiling: Protection,
) -> Result<(), LoadError> {
    let (start, end) = (segment.page_start(), segment.page_end());
    space.reserve(start, end - start, segment.protection, ceiling)?;
    let mut done = 0;
    let mut buffer = [0; 512];
    while done < segment.file_bytes {
        let count = (segment.file_bytes - done).min(buffer.len() as u64);
        let part = buffer.get_mut(..count as usize).unwrap_or_default();
        let from = image.offset + segment.file_offset + done;
        if !objects.get_mut(image.object).is_some_and(|object| object.read(from, part)) {
            return Err(LoadError::OutOfMemory);
        }
        space.initialize(objects, segment.address + done, part)?;
        done += count;
    }
    Ok(())
}
