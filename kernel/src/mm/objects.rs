//! Memory objects: pages that several address spaces can map.

use super::frames::{self, FRAME_BYTES, Frame};
use crate::process::ProcessId;
use alloc::vec::Vec;
use capos_kernel_core::{
    OutOfMemory,
    arena::{Arena, Id},
    regions::{
        Region,
        usage::{self, MappedUse, ObjectUses},
    },
};

/// Names a memory object.
pub type ObjectId = Id<MemoryObject>;

const MAX_OBJECTS: u32 = 1 << 20;
/// The longest object: 64 GiB.
const MAX_PAGES: u64 = 1 << 24;

enum Store {
    /// Zeroed frames, each taken when it is first touched.
    Lazy(Vec<Option<Frame>>),
    /// Memory that was there before the kernel, such as the boot module; never freed.
    Contiguous(Frame),
    /// Frames in one piece that a device knows of. Who owned the last reference says when they go back.
    Dma {
        first: Frame,
        /// The device, by its number.
        device: u32,
    },
    /// Device registers.
    Registers(Frame),
    /// Registers that were taken back.
    Gone,
}

/// What is left to do for an object that was freed.
#[derive(Debug)]
pub struct Freed {
    /// Who paid for its frames.
    pub owner: Option<ProcessId>,
    /// How many it had.
    pub pages: u64,
    /// Frames that are the caller's now, and the device that knows of them.
    pub dma: Option<(Frame, u32)>,
}

/// Pages with a life of their own. It ends when no capability and no mapping is left.
pub struct MemoryObject {
    store: Store,
    pages: u64,
    references: u32,
    /// How its mappings may be used, in all address spaces.
    pub(super) mapped: MappedUse,
    /// Whose frame budget paid for it.
    owner: Option<ProcessId>,
}

impl MemoryObject {
    /// An object with one reference that nothing maps yet.
    const fn new(store: Store, pages: u64, owner: Option<ProcessId>) -> Self {
        Self { store, pages, references: 1, mapped: MappedUse::new(), owner }
    }

    /// Whether some address space maps it writable.
    pub const fn is_mapped_writable(&self) -> bool {
        self.mapped.is_writable()
    }

    /// Length in bytes.
    pub const fn bytes(&self) -> u64 {
        self.pages * FRAME_BYTES as u64
    }

    /// The frame that holds a page; takes one if it was never touched. `None` beyond the end or when
    /// memory is used up.
    pub(super) fn frame(&mut self, page: u64) -> Option<Frame> {
        if page >= self.pages {
            return None;
        }
        match &mut self.store {
            Store::Contiguous(first) | Store::Dma { first, .. } | Store::Registers(first) => {
                Some(first.plus(page))
            }
            Store::Gone => None,
            Store::Lazy(pages) => {
                let slot = pages.get_mut(usize::try_from(page).ok()?)?;
                if slot.is_none() {
                    let frame = frames::allocate()?;
                    frame.zero();
                    *slot = Some(frame);
                }
                *slot
            }
        }
    }

    /// Whether all its frames exist and follow each other.
    pub(super) const fn is_contiguous(&self) -> bool {
        matches!(self.store, Store::Contiguous(_) | Store::Dma { .. } | Store::Registers(_))
    }

    /// Whether its pages are device registers, which are not memory: the kernel itself must not touch them.
    pub(super) const fn is_registers(&self) -> bool {
        matches!(self.store, Store::Registers(_))
    }

    /// Whether its pages were taken back.
    pub(super) const fn is_gone(&self) -> bool {
        matches!(self.store, Store::Gone)
    }

    /// Copies bytes out of it. `false` if they are not all there, or are no memory.
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

    /// Calls `each` for the part of every frame that the range touches.
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

    fn free(&mut self) {
        if let Store::Lazy(pages) = &mut self.store {
            pages.drain(..).flatten().for_each(frames::release);
        }
    }
}

/// Every memory object.
pub struct MemoryObjects(Arena<MemoryObject>);

impl ObjectUses for MemoryObjects {
    fn use_of(&mut self, object: u32) -> Option<&mut MappedUse> {
        self.0.at_mut(object).map(|object| &mut object.mapped)
    }
}

impl MemoryObjects {
    /// None.
    pub(crate) const fn new() -> Self {
        Self(Arena::new(MAX_OBJECTS))
    }

    /// A new zeroed object of `pages` pages with one reference. `owner` has paid for its frames.
    ///
    /// # Errors
    /// When it is too large or the kernel's memory is used up.
    pub fn create(&mut self, pages: u64, owner: ProcessId) -> Result<ObjectId, OutOfMemory> {
        if pages == 0 || pages > MAX_PAGES {
            return Err(OutOfMemory);
        }
        let mut slots = Vec::new();
        let count = usize::try_from(pages).map_err(|_| OutOfMemory)?;
        slots.try_reserve_exact(count)?;
        slots.resize(count, None);
        self.0.insert(MemoryObject::new(Store::Lazy(slots), pages, Some(owner)))
    }

    /// An object for memory that was there before the kernel, with one reference.
    ///
    /// # Errors
    /// When the kernel's memory is used up.
    pub fn wrap(&mut self, first: Frame, pages: u64) -> Result<ObjectId, OutOfMemory> {
        self.0.insert(MemoryObject::new(Store::Contiguous(first), pages, None))
    }

    /// An object for `pages` frames from `first` on, which the device numbered `device` knows of, with one reference.
    ///
    /// # Errors
    /// When the kernel's memory is used up.
    pub fn wrap_dma(
        &mut self,
        first: Frame,
        pages: u64,
        owner: ProcessId,
        device: u32,
    ) -> Result<ObjectId, OutOfMemory> {
        self.0.insert(MemoryObject::new(Store::Dma { first, device }, pages, Some(owner)))
    }

    /// An object for `pages` of device registers, with one reference.
    ///
    /// # Errors
    /// When the kernel's memory is used up.
    pub fn wrap_registers(&mut self, first: Frame, pages: u64) -> Result<ObjectId, OutOfMemory> {
        self.0.insert(MemoryObject::new(Store::Registers(first), pages, None))
    }

    /// Takes the registers behind an object away. Address spaces that map them must forget them too.
    pub(crate) fn take_registers(&mut self, id: ObjectId) {
        if let Some(object) = self.0.get_mut(id).filter(|object| object.is_registers()) {
            object.store = Store::Gone;
        }
    }

    /// An object of one page that begins with `bytes` and belongs to the kernel, with one reference.
    ///
    /// # Errors
    /// When memory is used up.
    pub(crate) fn create_for_kernel(&mut self, bytes: &[u8]) -> Result<ObjectId, OutOfMemory> {
        let frame = frames::allocate_for_kernel().ok_or(OutOfMemory)?;
        frame.zero();
        frame.write(0, bytes);
        self.wrap(frame, 1)
    }

    /// The object, unless the id is stale.
    pub fn get(&self, id: ObjectId) -> Option<&MemoryObject> {
        self.0.get(id)
    }

    /// The object, unless the id is stale.
    pub fn get_mut(&mut self, id: ObjectId) -> Option<&mut MemoryObject> {
        self.0.get_mut(id)
    }

    pub(super) fn at_mut(&mut self, index: u32) -> Option<&mut MemoryObject> {
        self.0.at_mut(index)
    }

    /// Notes another capability or mapping of it.
    pub fn add_reference(&mut self, id: ObjectId) {
        if let Some(object) = self.0.get_mut(id) {
            object.references += 1;
        }
    }

    /// Notes that a capability or mapping of it is gone. After the last, the object is freed; returns what is left to
    /// do then.
    pub fn drop_reference(&mut self, id: ObjectId) -> Option<Freed> {
        let object = self.0.get_mut(id)?;
        object.references -= 1;
        if object.references > 0 {
            return None;
        }
        let mut object = self.0.remove(id)?;
        object.free();
        let dma = match object.store {
            Store::Dma { first, device } => Some((first, device)),
            _ => None,
        };
        Some(Freed { owner: object.owner, pages: object.pages, dma })
    }

    pub(super) fn id_at(&self, index: u32) -> Option<ObjectId> {
        self.0.id_at(index)
    }

    /// The first object that does not count its mappings as `regions` have them, if there is one. `regions` gives every
    /// region of every address space.
    pub(crate) fn miscounted<'a, R: Iterator<Item = &'a Region>>(
        &mut self,
        regions: impl Fn() -> R,
    ) -> Option<ObjectId> {
        regions().for_each(|region| usage::uncount(self, region));
        let wrong = self.0.iter().find(|(_, object)| object.mapped != MappedUse::new()).map(|(id, _)| id);
        regions().for_each(|region| usage::count(self, region));
        wrong
    }

    /// Every object's id and frames in use.
    pub fn iter(&self) -> impl Iterator<Item = (ObjectId, u64)> {
        self.0.iter().map(|(id, object)| {
            let frames = match &object.store {
                Store::Lazy(pages) => pages.iter().flatten().count() as u64,
                Store::Dma { .. } => object.pages,
                Store::Contiguous(_) | Store::Registers(_) | Store::Gone => 0,
            };
            (id, frames)
        })
    }
}
