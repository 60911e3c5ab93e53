//! The storage backend of the metadata store (redb): its pages in checksummed frames, each in two copies.
//!
//! redb checks its own checksums only when it recovers, and a device error ends its session. So no unverified
//! page is passed to it: a page is read from whichever copy is good, and a bad copy is repaired in place. Its
//! header, which it overwrites in place, is stored in two alternating slots.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redb::StorageBackend;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::device::{BlockDevice, SECTOR};
use crate::layout::{BLOCK, FRAME, Geometry};

const STORE_HEADER: usize = 320;
const FRAME_MAGIC: &[u8; 8] = b"capOSfrm";
const SLOT_MAGIC: &[u8; 8] = b"capOShdr";
/// Frames moved in one device request.
const BATCH: usize = 32;

/// The state of the frames, shared with other modules.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// Frames of which one copy was bad and was replaced from the other.
    pub(crate) mended: AtomicU64,
    /// Frames with no good copy.
    pub(crate) lost: AtomicU64,
    /// Current size of the store, in bytes.
    pub(crate) store_bytes: AtomicU64,
}

#[derive(Debug)]
struct Header {
    bytes: [u8; STORE_HEADER],
    /// Length of the store, as redb set it.
    len: u64,
    generation: u64,
    /// The slot with the newest generation.
    slot: usize,
    /// Changed since that slot was written.
    dirty: bool,
}

/// The `StorageBackend` of redb.
#[derive(Debug)]
pub(crate) struct Frames {
    device: Arc<dyn BlockDevice>,
    geometry: Geometry,
    header: Mutex<Header>,
    health: Arc<Health>,
}

impl Frames {
    /// Finds the newest header. Without one, the store is empty and redb creates a new one.
    pub(crate) fn open(
        device: Arc<dyn BlockDevice>,
        geometry: Geometry,
        health: Arc<Health>,
    ) -> io::Result<Self> {
        let mut newest = Header { bytes: [0; STORE_HEADER], len: 0, generation: 0, slot: 1, dirty: false };
        let mut sector = [0; SECTOR];
        for slot in 0..2 {
            device.read_at(Geometry::header_slot(slot), &mut sector)?;
            if let Some(header) = decode_slot(&sector, slot, geometry.id)
                && header.generation > newest.generation
            {
                newest = header;
            }
        }
        health.store_bytes.store(newest.len, Ordering::Relaxed);
        Ok(Self { device, geometry, header: Mutex::new(newest), health })
    }

    /// Whether a store was ever created here.
    pub(crate) fn is_begun(&self) -> bool {
        self.header.lock().unwrap_or_else(PoisonError::into_inner).generation > 0
    }

    fn seed(&self, page: u64) -> u64 {
        self.geometry.id ^ page.rotate_left(32)
    }

    fn frame_is_good(&self, page: u64, frame: &[u8]) -> bool {
        let Some((body, trailer)) = frame.split_at_checked(BLOCK) else { return false };
        let Some((magic, rest)) = trailer.split_first_chunk::<8>() else { return false };
        magic == FRAME_MAGIC
            && rest
                .first_chunk()
                .is_some_and(|sum| u64::from_le_bytes(*sum) == xxh3_64_with_seed(body, self.seed(page)))
    }

    /// Reads the page from its second copy and repairs the first. `frame` holds the first, which is bad.
    fn fall_back(&self, page: u64, frame: &mut [u8]) -> io::Result<()> {
        let read = self.device.read_at(self.geometry.frame(1, page), frame);
        if read.is_err() || !self.frame_is_good(page, frame) {
            self.health.lost.fetch_add(1, Ordering::Relaxed);
            return Err(io::Error::new(io::ErrorKind::InvalidData, "both copies of a metadata page are bad"));
        }
        self.health.mended.fetch_add(1, Ordering::Relaxed);
        // A failed repair does not matter now: the good copy was found.
        let _ = self.device.write_at(self.geometry.frame(0, page), frame);
        Ok(())
    }

    /// Repairs pages of which one copy is bad and the other good. Returns their number.
    ///
    /// An interruption tears frames that no durable state uses; those look the same and are repaired or
    /// skipped too. A page in use that is bad in both copies is detected when the store reads it.
    pub(crate) fn scrub(device: &Arc<dyn BlockDevice>, geometry: Geometry) -> io::Result<u64> {
        let frames = Self::open(device.clone(), geometry, Arc::default())?;
        let pages = frames.len()? / BLOCK as u64;
        let mut mended = 0;
        let mut copies = [vec![0; FRAME], vec![0; FRAME]];
        for page in 1..pages {
            let mut good = [false; 2];
            for (copy, frame) in copies.iter_mut().enumerate() {
                let read = device.read_at(geometry.frame(copy as u64, page), frame);
                good[copy] = read.is_ok() && frames.frame_is_good(page, frame);
            }
            match good {
                [true, false] => device.write_at(geometry.frame(1, page), &copies[0])?,
                [false, true] => device.write_at(geometry.frame(0, page), &copies[1])?,
                _ => continue,
            }
            mended += 1;
        }
        device.flush()?;
        Ok(mended)
    }
}

fn decode_slot(sector: &[u8; SECTOR], slot: usize, id: u64) -> Option<Header> {
    let (magic, rest) = sector.split_first_chunk::<8>()?;
    let (generation, rest) = rest.split_first_chunk::<8>()?;
    let (len, rest) = rest.split_first_chunk::<8>()?;
    let (bytes, rest) = rest.split_first_chunk::<STORE_HEADER>()?;
    let sum = rest.first_chunk::<8>()?;
    let body = sector.get(..24 + STORE_HEADER)?;
    let good = magic == SLOT_MAGIC && u64::from_le_bytes(*sum) == xxh3_64_with_seed(body, id);
    good.then(|| Header {
        bytes: *bytes,
        len: u64::from_le_bytes(*len),
        generation: u64::from_le_bytes(*generation),
        slot,
        dirty: false,
    })
}

fn encode_slot(header: &Header, id: u64) -> Vec<u8> {
    let mut sector = Vec::with_capacity(SECTOR);
    sector.extend_from_slice(SLOT_MAGIC);
    sector.extend_from_slice(&header.generation.to_le_bytes());
    sector.extend_from_slice(&header.len.to_le_bytes());
    sector.extend_from_slice(&header.bytes);
    let sum = xxh3_64_with_seed(&sector, id);
    sector.extend_from_slice(&sum.to_le_bytes());
    sector.resize(SECTOR, 0);
    sector
}

fn unsupported() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not whole pages within the store")
}

impl StorageBackend for Frames {
    fn len(&self) -> io::Result<u64> {
        Ok(self.header.lock().unwrap_or_else(PoisonError::into_inner).len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let len = self.len()?;
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > len) {
            return Err(unsupported());
        }
        if offset == 0 && out.len() <= STORE_HEADER {
            let header = self.header.lock().unwrap_or_else(PoisonError::into_inner);
            out.copy_from_slice(&header.bytes[..out.len()]);
            return Ok(());
        }
        if offset == 0 || !offset.is_multiple_of(BLOCK as u64) || !out.len().is_multiple_of(BLOCK) {
            return Err(unsupported());
        }
        let mut buffer = vec![0; FRAME * BATCH.min(out.len() / BLOCK)];
        let mut page = offset / BLOCK as u64;
        for group in out.chunks_mut(BLOCK * BATCH) {
            let frames = &mut buffer[..group.len() / BLOCK * FRAME];
            let read = self.device.read_at(self.geometry.frame(0, page), frames);
            for (frame, target) in frames.chunks_exact_mut(FRAME).zip(group.chunks_exact_mut(BLOCK)) {
                if read.is_err() || !self.frame_is_good(page, frame) {
                    self.fall_back(page, frame)?;
                }
                target.copy_from_slice(&frame[..BLOCK]);
                page += 1;
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if len > self.geometry.meta_pages * BLOCK as u64 {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "the metadata area is full"));
        }
        let mut header = self.header.lock().unwrap_or_else(PoisonError::into_inner);
        header.dirty |= header.len != len;
        header.len = len;
        self.health.store_bytes.store(len, Ordering::Relaxed);
        Ok(())
    }

    /// Up to here the pages (written before) and the header may arrive in any order: redb syncs between the
    /// two whenever their order matters.
    fn sync_data(&self) -> io::Result<()> {
        let mut header = self.header.lock().unwrap_or_else(PoisonError::into_inner);
        if !header.dirty {
            return self.device.flush();
        }
        // The inactive slot: if this write fails or is torn, the other slot still holds the last flushed
        // header.
        header.generation += 1;
        header.slot = 1 - header.slot;
        let sector = encode_slot(&header, self.geometry.id);
        self.device.write_at(Geometry::header_slot(header.slot), &sector)?;
        self.device.flush()?;
        header.dirty = false;
        // Now that it is durable, update the other slot, so that damage to one slot does not roll the volume
        // back. The next flush covers it.
        self.device.write_at(Geometry::header_slot(1 - header.slot), &sector)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if offset == 0 && data.len() == STORE_HEADER {
            let mut header = self.header.lock().unwrap_or_else(PoisonError::into_inner);
            header.dirty |= header.bytes != data;
            header.bytes.copy_from_slice(data);
            return Ok(());
        }
        let end = offset.checked_add(data.len() as u64).ok_or_else(unsupported)?;
        let whole = offset.is_multiple_of(BLOCK as u64) && data.len().is_multiple_of(BLOCK);
        if offset == 0 || !whole || end > self.geometry.meta_pages * BLOCK as u64 {
            return Err(unsupported());
        }
        let mut frames = Vec::with_capacity(FRAME * BATCH.min(data.len() / BLOCK));
        let mut page = offset / BLOCK as u64;
        for group in data.chunks(BLOCK * BATCH) {
            frames.clear();
            let first = page;
            for body in group.chunks_exact(BLOCK) {
                frames.extend_from_slice(body);
                frames.extend_from_slice(FRAME_MAGIC);
                frames.extend_from_slice(&xxh3_64_with_seed(body, self.seed(page)).to_le_bytes());
                frames.resize(frames.len() + SECTOR - 16, 0);
                page += 1;
            }
            for copy in 0..2 {
                self.device.write_at(self.geometry.frame(copy, first), &frames)?;
            }
        }
        Ok(())
    }
}
