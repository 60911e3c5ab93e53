//! Memory shared by the device and this process, and the device's registers: the `Hal` of `virtio-drivers`.
// Unsafe here: the device and this process share memory by its address.
#![expect(unsafe_code, reason = "mapped memory becomes pointers here")]

use capos_schema::memory_capnp::memory_object;
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

/// Host memory with the alignment of DMA memory.
#[cfg(any(test, feature = "testing"))]
#[derive(Clone)]
#[repr(align(4096))]
struct Page {
    _bytes: [u8; PAGE_SIZE],
}

/// A mapped range, which stays mapped for the life of the process.
#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    start: NonNull<u8>,
    physical: u64,
    length: usize,
}

// SAFETY: it is an address range, valid in every thread of the process; each use states why it is sound.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps all of `memory`: `length` bytes whose physical address is `physical`.
    pub(crate) async fn new(
        memory: &memory_object::Client,
        physical: u64,
        length: u64,
    ) -> capnp::Result<Self> {
        let mapped = capos_rt::map_shared(memory.clone(), length).await?;
        Ok(Self { start: mapped.cast(), physical, length: mapped.len() })
    }

    /// Zeroed host memory, for tests. It is never freed.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn of_host(physical: u64, length: usize) -> Self {
        let memory: &'static mut [Page] =
            vec![Page { _bytes: [0; PAGE_SIZE] }; length.div_ceil(PAGE_SIZE)].leak();
        Self { start: NonNull::from(memory).cast(), physical, length }
    }

    /// Its physical address.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn physical(&self) -> u64 {
        self.physical
    }

    /// Its length in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// The `length` bytes from `offset`, if they are within the mapping.
    #[must_use]
    pub fn part(&self, offset: usize, length: usize) -> Option<NonNull<[u8]>> {
        if offset.checked_add(length)? > self.length {
            return None;
        }
        // SAFETY: the offset lies within the mapping (checked above).
        let start = unsafe { self.start.add(offset) };
        Some(NonNull::slice_from_raw_parts(start, length))
    }

    /// Copies `bytes` to `offset`. Returns false and changes nothing if they do not fit. The device may see the bytes change in
    /// any order.
    #[must_use]
    pub fn write(&self, offset: usize, bytes: &[u8]) -> bool {
        let Some(place) = self.part(offset, bytes.len()) else { return false };
        // SAFETY: the range lies in the mapping, to which references exist only during calls of the queue; `bytes` cannot be
        // part of it, since no slice of a mapping is ever handed out.
        unsafe { place.cast::<u8>().copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
        true
    }

    /// Fills `bytes` from `offset`. Returns false and changes nothing if the mapping ends before. The device may write
    /// concurrently.
    #[must_use]
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> bool {
        let Some(place) = self.part(offset, bytes.len()) else { return false };
        // SAFETY: as for `write`; every byte value is valid.
        unsafe { NonNull::from(bytes).cast::<u8>().copy_from_nonoverlapping(place.cast(), place.len()) };
        true
    }

    /// The `length` bytes at physical `address`, if they are within the mapping.
    fn at_physical(&self, address: u64, length: usize) -> Option<NonNull<[u8]>> {
        self.part(usize::try_from(address.checked_sub(self.physical)?).ok()?, length)
    }

    /// The physical address of a part.
    fn physical_of(&self, part: NonNull<[u8]>) -> Option<u64> {
        let offset = part.cast::<u8>().addr().get().checked_sub(self.start.addr().get())?;
        self.part(offset, part.len())?;
        Some(self.physical + offset as u64)
    }
}

/// Register mappings. They are needed before there is DMA memory.
static WINDOWS: OnceLock<Vec<Mapping>> = OnceLock::new();
static LENT: OnceLock<Lent> = OnceLock::new();

/// Memory that the device can access.
struct Lent {
    /// Rings and request headers, private to this process.
    control: Mapping,
    /// Data in transit, which the client maps too.
    transfer: Mapping,
    /// Bytes of `control` that are in use.
    used: AtomicUsize,
}

/// Registers the register mappings for the crate.
pub(crate) fn set_windows(windows: Vec<Mapping>) {
    // A process drives one device, so this is called once.
    drop(WINDOWS.set(windows));
}

/// Registers the memory for the crate. A process drives one device, so only the first call has an effect.
pub(crate) fn set_memory(control: Mapping, transfer: Mapping) {
    drop(LENT.set(Lent { control, transfer, used: AtomicUsize::new(0) }));
}

/// An unused zeroed page of the control memory, such as for headers.
#[must_use]
pub fn take_control() -> Option<Mapping> {
    let (physical, start) = take_pages(1)?;
    Some(Mapping { start, physical, length: PAGE_SIZE })
}

/// Unused zeroed pages of the control memory: their physical address, and their mapping.
fn take_pages(pages: usize) -> Option<(PhysAddr, NonNull<u8>)> {
    let lent = LENT.get()?;
    let length = pages.checked_mul(PAGE_SIZE)?;
    let offset = lent.used.fetch_add(length, Ordering::Relaxed);
    let part = lent.control.part(offset, length)?;
    Some((lent.control.physical + offset as u64, part.cast()))
}

/// The `Hal` that the crate `virtio-drivers` requires.
#[derive(Debug)]
pub enum System {}

// SAFETY: `dma_alloc` returns each page of the control memory once; the mapping is page-aligned, valid for the life of
// the process, and zeroed by the kernel. `mmio_phys_to_virt` returns mapped registers only.
unsafe impl Hal for System {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        // The crate takes physical address 0 for "none".
        take_pages(pages).unwrap_or((0, NonNull::dangling()))
    }

    /// Pages are not reused: queues live as long as the process.
    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        0
    }

    unsafe fn mmio_phys_to_virt(address: PhysAddr, size: usize) -> NonNull<u8> {
        let windows = WINDOWS.get().map(Vec::as_slice).unwrap_or_default();
        let found = windows.iter().find_map(|window| window.at_physical(address, size));
        let Some(found) = found else {
            panic!("device violated the virtio specification: registers outside its memory")
        };
        found.cast()
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        let lent = LENT.get();
        let address = lent
            .and_then(|lent| lent.control.physical_of(buffer).or_else(|| lent.transfer.physical_of(buffer)));
        let Some(address) = address else { panic!("a buffer outside the transfer memory") };
        address
    }

    /// The device accesses the memory directly, so there is nothing to copy back.
    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}
