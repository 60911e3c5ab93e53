//! Memory objects: pages that several address spaces can map.

use super::{
    frames::{self, FRAME_BYTES, Frame},
    page_list::PageList,
};
use crate::system::process::ProcessId;
use capos_kernel_core::{
    OutOfMemory,
    arena::{Arena, Id},
    regions::{
        Backing, Region, RegionError,
        usage::{self, MappedUse, ObjectUses},
    },
    walk::{Counts, Flaw, Walk},
};

/// Identifies a memory object.
pub type ObjectId = Id<MemoryObject>;

const MAX_OBJECTS: u32 = 1 << 20;
/// Maximum length of an object: 64 GiB.
const MAX_PAGES: u64 = 1 << 24;
const PAGE: u64 = FRAME_BYTES as u64;

enum Store {
    /// Zeroed frames, each allocated at first use.
    Lazy(PageList),
    /// Memory that existed before the kernel, such as the boot module; never freed.
    Contiguous(Frame),
    /// Contiguous DMA memory. The holder of the last reference decides when it is freed.
    Dma {
        first: Frame,
        /// The device's number.
        device: u32,
    },
    /// Device registers.
    Registers(Frame),
    /// Registers that were revoked.
    Gone,
}

/// The remaining work for a freed object.
#[derive(Debug)]
pub struct Freed {
    /// The process that was charged for its frames.
    pub owner: Option<ProcessId>,
    /// Number of frames.
    pub pages: u64,
    /// Frames whose ownership passes to the caller, and the device that knows them.
    pub dma: Option<(Frame, u32)>,
}

/// Pages with their own lifetime, which ends with the last capability and the last mapping.
pub struct MemoryObject {
    store: Store,
    pages: u64,
    /// Number of capabilities.
    references: u32,
    /// Bytes mapped, over all address spaces: mappings keep it alive, too.
    mapped_pages: u64,
    /// How it may be mapped, and its writable mappings in all address spaces.
    pub(super) mapped: MappedUse,
    /// The process that is charged for its frames.
    owner: Option<ProcessId>,
    /// In the stack of ended objects, the next one.
    ended_before: Option<ObjectId>,
}

impl MemoryObject {
    /// An unmapped object with one reference.
    const fn new(store: Store, pages: u64, owner: Option<ProcessId>) -> Self {
        Self {
            store,
            pages,
            references: 1,
            mapped_pages: 0,
            mapped: MappedUse::new(),
            owner,
            ended_before: None,
        }
    }

    /// Whether it is sealed.
    pub const fn is_sealed(&self) -> bool {
        self.mapped.is_sealed()
    }

    /// Seals it: from now on its contents never change, and it may be mapped executable.
    ///
    /// # Errors
    /// `OfDevice` or `MappedWritable`.
    pub fn seal(&mut self) -> Result<(), RegionError> {
        if self.is_of_device() { Err(RegionError::OfDevice) } else { self.mapped.seal() }
    }

    /// Length in bytes.
    pub const fn bytes(&self) -> u64 {
        self.pages * FRAME_BYTES as u64
    }

    /// The frame of a page; allocated at first use. `None` beyond the end or if memory is exhausted.
    pub(super) fn frame(&mut self, page: u64) -> Option<Frame> {
        if page >= self.pages {
            return None;
        }
        match &mut self.store {
            Store::Contiguous(first) | Store::Dma { first, .. } | Store::Registers(first) => {
                Some(first.plus(page))
            }
            Store::Gone => None,
            Store::Lazy(pages) => pages.frame(page),
        }
    }

    /// Whether all its frames exist and are contiguous.
    pub(super) const fn is_contiguous(&self) -> bool {
        matches!(self.store, Store::Contiguous(_) | Store::Dma { .. } | Store::Registers(_))
    }

    /// Whether its pages are those of a device: its registers, or memory that it may write.
    pub(super) const fn is_of_device(&self) -> bool {
        matches!(self.store, Store::Dma { .. } | Store::Registers(_) | Store::Gone)
    }

    /// Whether its pages are device registers, which the kernel must not access.
    pub(super) const fn is_registers(&self) -> bool {
        matches!(self.store, Store::Registers(_))
    }

    /// Whether its pages were revoked.
    pub(super) const fn is_gone(&self) -> bool {
        matches!(self.store, Store::Gone)
    }

    /// Copies bytes out of it. `false` if they are not within it, or are not memory.
    pub fn read(&mut self, offset: u64, into: &mut [u8]) -> bool {
        if self.is_registers() {
            return false;
        }
        self.chunks(offset, into.len(), |frame, at, range| {
            if let Some(part) = into.get_mut(range) {
                frame.read(at, part);
            }
        })
    }

    /// Copies a page-sized piece of it into a frame. `false` if that is not within it, or is not memory.
    pub(super) fn copy_page(&mut self, offset: u64, into: Frame) -> bool {
        !self.is_registers()
            && self.chunks(offset, FRAME_BYTES, |frame, at, range| {
                into.copy_from(range.start, frame, at, range.len());
            })
    }

    /// Calls `each` for the part of every frame within the range.
    fn chunks(
        &mut self,
        offset: u64,
        length: usize,
        mut each: impl FnMut(Frame, usize, core::ops::Range<usize>),
    ) -> bool {
        let mut done = 0;
        while done < length {
            let Some(position) = offset.checked_add(done as u64) else { return false };
            let at = position as usize % FRAME_BYTES;
            let count = (FRAME_BYTES - at).min(length - done);
            let Some(frame) = self.frame(position / FRAME_BYTES as u64) else { return false };
            each(frame, at, done..done + count);
            done += count;
        }
        true
    }
}

/// Every memory object.
pub struct MemoryObjects {
    all: Arena<MemoryObject>,
    /// The top of the stack of ended objects that are not freed yet, and their number.
    ended_last: Option<ObjectId>,
    ended_count: u32,
}

impl ObjectUses for MemoryObjects {
    fn use_of(&mut self, object: u32) -> Option<&mut MappedUse> {
        self.all.at_mut(object).map(|object| &mut object.mapped)
    }
}

impl MemoryObjects {
    /// No objects.
    pub(crate) const fn new() -> Self {
        Self { all: Arena::new(MAX_OBJECTS), ended_last: None, ended_count: 0 }
    }

    /// A new zeroed object of `pages` pages with one reference. `owner` has been charged for its frames.
    ///
    /// # Errors
    /// If it is too large or the kernel's memory is exhausted.
    pub fn create(&mut self, pages: u64, owner: ProcessId) -> Result<ObjectId, OutOfMemory> {
        if pages == 0 || pages > MAX_PAGES {
            return Err(OutOfMemory);
        }
        self.all.insert(MemoryObject::new(Store::Lazy(PageList::new(pages)?), pages, Some(owner)))
    }

    /// An object for memory that existed before the kernel, with one reference.
    ///
    /// # Errors
    /// If the kernel's memory is exhausted.
    pub fn wrap(&mut self, first: Frame, pages: u64) -> Result<ObjectId, OutOfMemory> {
        self.all.insert(MemoryObject::new(Store::Contiguous(first), pages, None))
    }

    /// As [`Self::wrap`], sealed.
    ///
    /// # Errors
    /// If the kernel's memory is exhausted.
    pub fn wrap_sealed(&mut self, first: Frame, pages: u64) -> Result<ObjectId, OutOfMemory> {
        let mut object = MemoryObject::new(Store::Contiguous(first), pages, None);
        // Nothing maps a new object, so this cannot be refused.
        let _ = object.seal();
        self.all.insert(object)
    }

    /// An object for the `pages` frames of DMA memory at `first`, known to the device `device`, with one reference.
    ///
    /// # Errors
    /// If the kernel's memory is exhausted.
    pub fn wrap_dma(
        &mut self,
        first: Frame,
        pages: u64,
        owner: ProcessId,
        device: u32,
    ) -> Result<ObjectId, OutOfMemory> {
        self.all.insert(MemoryObject::new(Store::Dma { first, device }, pages, Some(owner)))
    }

    /// An object for `pages` of device registers, with one reference.
    ///
    /// # Errors
    /// If the kernel's memory is exhausted.
    pub fn wrap_registers(&mut self, first: Frame, pages: u64) -> Result<ObjectId, OutOfMemory> {
        self.all.insert(MemoryObject::new(Store::Registers(first), pages, None))
    }

    /// Revokes the registers behind an object. Returns whether it is mapped: address spaces must then unmap it.
    pub(crate) fn take_registers(&mut self, id: ObjectId) -> bool {
        let Some(object) = self.all.get_mut(id).filter(|object| object.is_registers()) else { return false };
        object.store = Store::Gone;
        object.mapped_pages > 0
    }

    /// Whether a region maps a revoked object.
    pub(super) fn are_gone(&self, region: &Region) -> bool {
        matches!(region.backing, Backing::Object { object, .. }
            if self.all.at(object).is_some_and(MemoryObject::is_gone))
    }

    /// A one-page object that begins with `bytes` and belongs to the kernel, with one reference.
    ///
    /// # Errors
    /// If memory is exhausted.
    pub(crate) fn create_for_kernel(&mut self, bytes: &[u8]) -> Result<ObjectId, OutOfMemory> {
        let frame = frames::allocate_for_kernel().ok_or(OutOfMemory)?;
        frame.zero();
        frame.write(0, bytes);
        self.wrap(frame, 1)
    }

    /// The page of an object that belongs to the kernel, for writing.
    pub(crate) fn kernel_page(&mut self, id: ObjectId) -> Option<Frame> {
        self.all.get_mut(id).filter(|object| object.owner.is_none()).and_then(|object| object.frame(0))
    }

    /// The object, unless the id is stale.
    pub fn get(&self, id: ObjectId) -> Option<&MemoryObject> {
        self.all.get(id)
    }

    /// The object, unless the id is stale.
    pub fn get_mut(&mut self, id: ObjectId) -> Option<&mut MemoryObject> {
        self.all.get_mut(id)
    }

    pub(super) fn at_mut(&mut self, index: u32) -> Option<&mut MemoryObject> {
        self.all.at_mut(index)
    }

    /// Records that bytes of it are mapped.
    pub(super) fn add_mapping(&mut self, id: ObjectId, bytes: u64) {
        if let Some(object) = self.all.get_mut(id) {
            // At most 2^24 pages per region, 2^16 regions per process and 2^16 processes.
            object.mapped_pages = object.mapped_pages.saturating_add(bytes / PAGE);
        }
    }

    /// Records that a region is no longer mapped, if it maps an object. If nothing else keeps the object alive, it has
    /// ended.
    pub(super) fn drop_mapping(&mut self, region: &Region) {
        usage::uncount(self, region);
        let Some(id) = region.backing.object().and_then(|object| self.all.id_at(object)) else { return };
        if let Some(object) = self.all.get_mut(id) {
            object.mapped_pages = object.mapped_pages.saturating_sub(region.length() / PAGE);
        }
        self.end_if_unused(id);
    }

    /// Records that the last capability to it is gone. If it is not mapped, it has ended.
    pub fn drop_reference(&mut self, id: ObjectId) {
        if let Some(object) = self.all.get_mut(id) {
            object.references = object.references.saturating_sub(1);
        }
        self.end_if_unused(id);
    }

    /// Pushes an unreachable object to the stack of ended objects, which [`Self::free_step`] frees.
    fn end_if_unused(&mut self, id: ObjectId) {
        let Some(object) = self.all.get_mut(id) else { return };
        if object.references == 0 && object.mapped_pages == 0 {
            object.ended_before = self.ended_last.replace(id);
            self.ended_count += 1;
        }
    }

    /// Number of ended objects that are not freed yet.
    pub(crate) const fn ended_count(&self) -> u32 {
        self.ended_count
    }

    /// Whether freeing the object on top of that stack takes so long that it must be done in steps.
    pub(crate) fn last_ended_is_large(&self) -> bool {
        let last = self.ended_last.and_then(|id| self.all.get(id));
        last.is_some_and(|object| matches!(&object.store, Store::Lazy(pages) if pages.is_large()))
    }

    /// Runs a step of freeing that object. Returns the remaining work once it is freed.
    pub(crate) fn free_step(&mut self) -> Option<Freed> {
        let id = self.ended_last?;
        let object = self.all.get_mut(id)?;
        if let Store::Lazy(pages) = &mut object.store
            && !pages.free_step()
        {
            return None;
        }
        self.ended_last = object.ended_before;
        self.ended_count -= 1;
        let object = self.all.remove(id)?;
        let dma = match object.store {
            Store::Dma { first, device } => Some((first, device)),
            _ => None,
        };
        Some(Freed { owner: object.owner, pages: object.pages, dma })
    }

    /// Checks that the objects' mapping counts match `regions`, every region of every address space.
    ///
    /// # Errors
    /// The first inconsistency found.
    pub(crate) fn check_mappings<'a>(
        &self,
        regions: impl Iterator<Item = &'a Region>,
        walk: &mut Walk<'_>,
    ) -> Result<(), Flaw> {
        let mut counts = Counts::<(MappedUse, u64)>::new(self.all.places(), walk)?;
        walk.over(regions, |region| {
            let count = region.backing.object().and_then(|object| counts.at_mut(object));
            if let Some((mapped, pages)) = count {
                *pages += region.length() / PAGE;
                if matches!(region.backing, Backing::Object { .. }) {
                    mapped.add(region.protection, region.length());
                }
            }
            Ok(())
        })?;
        walk.over(self.all.every(), |object| match object {
            Some((id, object)) => {
                let (mapped, pages) = counts.of(id.index());
                let found = (mapped.writable_pages(), pages);
                if found != (object.mapped.writable_pages(), object.mapped_pages) {
                    return Err("a memory object has a wrong mapping count".into());
                }
                if found.0 > 0 && object.is_sealed() {
                    return Err("a sealed memory object is mapped writable".into());
                }
                Ok(())
            }
            None => Ok(()),
        })
    }

    /// Number of frames of all objects.
    ///
    /// # Errors
    /// [`Flaw::BrokenOff`].
    pub(crate) fn count_frames(&self, walk: &mut Walk<'_>) -> Result<u64, Flaw> {
        let mut count = 0;
        for object in self.all.every() {
            walk.look()?;
            count += match object.map(|(_, object)| (&object.store, object.pages)) {
                Some((Store::Lazy(pages), _)) => pages.count(walk)?,
                Some((Store::Dma { .. }, pages)) => pages,
                Some((Store::Contiguous(_) | Store::Registers(_) | Store::Gone, _)) | None => 0,
            };
        }
        Ok(count)
    }
}
