//! Loading a program. Its object must be sealed. Code, and other segments that can be shared, are mapped in place; the
//! others are copied, in large ones each page when it is first written (or touched, if the file does not align it), so that
//! the time to start does not depend on the program's size.

use crate::mm::{AddressSpace, FaultError, MemoryObjects, ObjectId, SpaceError};
use capos_abi::{PAGE_SIZE, USER_END};
use capos_kernel_core::{
    elf::{self, Segment},
    regions::{Protection, RegionError},
};
use core::ops::Range;

/// The location of a program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Image {
    /// The object that contains it.
    pub(super) object: ObjectId,
    /// Offset of its first byte in the object.
    pub(super) offset: u64,
    /// Its length in bytes.
    pub(super) length: u64,
}

/// The reason that a program could not be loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoadError {
    /// The image is invalid; the message says why.
    BadImage(&'static str),
    /// The new process's budget or the machine's memory does not suffice.
    OutOfMemory,
}

impl From<SpaceError> for LoadError {
    fn from(error: SpaceError) -> Self {
        match error {
            SpaceError::Region(RegionError::Full) => Self::OutOfMemory,
            SpaceError::Region(error) => Self::BadImage(error.message()),
            SpaceError::OutsideObject => Self::BadImage("a segment is outside the memory object"),
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
) -> Result<u64, LoadError> {
    let object =
        objects.get_mut(image.object).ok_or(LoadError::BadImage("there is no such memory object"))?;
    if !object.is_sealed() {
        return Err(LoadError::BadImage("the image's memory object is not sealed"));
    }
    if image.offset.checked_add(image.length).is_none_or(|end| end > object.bytes()) {
        return Err(LoadError::BadImage("the image is outside the memory object"));
    }
    let mut header = [0; 1024];
    let header_bytes = image.length.min(header.len() as u64) as usize;
    let header = header.get_mut(..header_bytes).unwrap_or_default();
    if !object.read(image.offset, header) {
        return Err(LoadError::OutOfMemory);
    }
    let plan = elf::plan(header, image.length).map_err(LoadError::BadImage)?;
    let mut at_once = COPIED_AT_ONCE;
    for segment in plan.segments() {
        if segment.page_end() > USER_END {
            return Err(LoadError::BadImage("a segment is outside user space"));
        }
        match in_place(segment, image) {
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
            None if segment.protection.contains(Protection::EXECUTE) => {
                return Err(LoadError::BadImage("a code segment is not aligned to pages in its file"));
            }
            None => copy(space, objects, image, segment, &mut at_once)?,
        }
    }
    Ok(plan.entry)
}

/// The part of the object that can be mapped directly as the segment, if possible.
fn in_place(segment: &Segment, image: Image) -> Option<Range<u64>> {
    let start = image.offset + segment.file_offset;
    let is_congruent = start % PAGE_SIZE == segment.address % PAGE_SIZE;
    let is_whole = segment.file_bytes == segment.memory_bytes;
    if segment.protection.contains(Protection::WRITE) || !is_congruent || !is_whole {
        return None;
    }
    let first = start & !(PAGE_SIZE - 1);
    let last = (start + segment.file_bytes).next_multiple_of(PAGE_SIZE);
    // The rest of the segment's pages must belong to the same program.
    let within = first >= image.offset && last <= image.offset + image.length;
    within.then_some(first..last)
}

/// The number of pages that are copied when a program starts; the others are copied when they are touched.
const COPIED_AT_ONCE: u64 = 32;

/// Provides a segment as private memory of the process. `at_once` is how many pages may be copied
/// immediately.
fn copy(
    space: &mut AddressSpace,
    objects: &mut MemoryObjects,
    image: Image,
    segment: &Segment,
    at_once: &mut u64,
) -> Result<(), LoadError> {
    let ceiling = Protection::READ | Protection::WRITE;
    let (start, end) = (segment.page_start(), segment.page_end());
    let contents = segment.address..segment.address + segment.file_bytes;
    // Pages that are filled entirely from the image.
    let whole = contents.start.next_multiple_of(PAGE_SIZE)..contents.end & !(PAGE_SIZE - 1);
    let pages = (contents.end.next_multiple_of(PAGE_SIZE) - start) / PAGE_SIZE;
    if pages <= *at_once || whole.is_empty() {
        *at_once = at_once.saturating_sub(pages);
        space.reserve(start, end - start, segment.protection, ceiling)?;
        return fill(space, objects, image, segment, contents);
    }
    let from = image.offset + segment.file_offset + (whole.start - contents.start);
    let part = from..from + (whole.end - whole.start);
    space.map_private(objects, image.object, part, whole.start, segment.protection, ceiling)?;
    for rest in [start..whole.start, whole.end..end] {
        if !rest.is_empty() {
            space.reserve(rest.start, rest.end - rest.start, segment.protection, ceiling)?;
        }
    }
    fill(space, objects, image, segment, contents.start..whole.start)?;
    fill(space, objects, image, segment, whole.end..contents.end)
}

/// Copies the contents of a segment to these addresses.
fn fill(
    space: &mut AddressSpace,
    objects: &mut MemoryObjects,
    image: Image,
    segment: &Segment,
    addresses: Range<u64>,
) -> Result<(), LoadError> {
    let mut at = addresses.start;
    let mut buffer = [0; 512];
    while at < addresses.end {
        let count = (addresses.end - at).min(buffer.len() as u64);
        let part = buffer.get_mut(..count as usize).unwrap_or_default();
        let from = image.offset + segment.file_offset + (at - segment.address);
        if !objects.get_mut(image.object).is_some_and(|object| object.read(from, part)) {
            return Err(LoadError::OutOfMemory);
        }
        space.initialize(objects, at, part)?;
        at += count;
    }
    Ok(())
}
