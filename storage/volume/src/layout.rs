//! The layout of a device, and the superblock that records it.
//!
//! | blocks (4 KiB) | content |
//! |---|---|
//! | 0, 1 | superblock, twice; written only by `format` |
//! | 2, 3 | two slots for the header of the metadata store |
//! | from 4 | metadata frames, first copy, then second copy; nine sectors each |
//! | the rest | data blocks |

use std::iter;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::device::{BlockDevice, SECTOR};
use crate::error::{Error, Result};

/// Unit of storage and checksums of file data, in bytes.
pub const BLOCK: usize = 4096;
pub(crate) const BLOCK64: u64 = BLOCK as u64;

/// Size of a metadata page in its frame: the page and one sector with its checksum.
pub(crate) const FRAME: usize = BLOCK + SECTOR;

/// The smallest device that can hold a volume.
pub const MIN_DEVICE_BYTES: u64 = 4 << 20;

const MAGIC: &[u8; 8] = b"capOSvol";
const VERSION: u32 = 1;
const HEADER_SLOTS: u64 = 2;
const FIRST_FRAME_BLOCK: u64 = HEADER_SLOTS + 2;

/// Pages of redb before those that hold records.
const STORE_HEADER_PAGES: u64 = 1;

/// Pages of one redb region.
const REGION_PAGES: u64 = 1 << 20;

/// Pages that redb requests when it starts. A test compares.
const STORE_START_PAGES: u64 = STORE_HEADER_PAGES + 257;

/// Pages of redb after growing from `pages`: it doubles its first region and then adds one more, or at most two, when
/// that is full.
pub(crate) fn grown_store_pages(pages: u64) -> u64 {
    let holding = pages.saturating_sub(STORE_HEADER_PAGES);
    pages + if holding < REGION_PAGES { holding } else { 2 * REGION_PAGES }
}

/// Number of data blocks, of `blocks`, reserved for overwriting and for the metadata of a full volume.
pub(crate) fn reserve(blocks: u32) -> u32 {
    16 + blocks / 256
}

/// Bytes of file data that fit on a device of this size, in a new volume with a metadata area of `meta_bytes` or of the
/// default size; 0 if the device is too small for a volume.
pub fn room_bytes(device_bytes: u64, meta_bytes: Option<u64>) -> u64 {
    let Ok(geometry) = Geometry::plan(0, device_bytes, meta_bytes) else { return 0 };
    let blocks = geometry.blocks.saturating_sub(geometry.first_data_block());
    let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
    u64::from(blocks.saturating_sub(reserve(blocks))) * BLOCK64
}

/// The layout of a volume, derived from the superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Distinguishes this volume from earlier contents of the device.
    pub(crate) id: u64,
    /// Blocks of the whole device.
    pub(crate) blocks: u64,
    /// Pages that the metadata store may use, its header page included.
    pub(crate) meta_pages: u64,
}

impl Geometry {
    /// Lays out a new volume. `meta_bytes` is the requested size of the metadata area, by default about a sixteenth of
    /// the device (which, stored twice, takes a seventh). The size is rounded to one to which redb can grow exactly: half
    /// of an area that misses the next size by a page would never be used.
    pub(crate) fn plan(id: u64, size_bytes: u64, meta_bytes: Option<u64>) -> Result<Self> {
        let blocks = (size_bytes / BLOCK64).min(u64::from(u32::MAX));
        if size_bytes < MIN_DEVICE_BYTES {
            return Err(Error::NoSpace);
        }
        let meta_pages = match meta_bytes {
            Some(wish) => (wish / BLOCK64).min(blocks / 4).max(STORE_START_PAGES),
            None => {
                let least = blocks / 16 / 4 * 3;
                let steps =
                    iter::successors(Some(STORE_START_PAGES), |pages| Some(grown_store_pages(*pages)));
                steps.take_while(|pages| *pages <= blocks / 4).find(|pages| *pages >= least)
            }
            .unwrap_or(STORE_START_PAGES),
        };
        let geometry = Self { id, blocks, meta_pages };
        if geometry.first_data_block() + 64 > blocks { Err(Error::NoSpace) } else { Ok(geometry) }
    }

    /// The device offset of a header slot.
    pub(crate) fn header_slot(slot: usize) -> u64 {
        (HEADER_SLOTS + slot as u64) * BLOCK64
    }

    /// The device offset of the frame of `page` in `copy` (0 or 1).
    pub(crate) fn frame(&self, copy: u64, page: u64) -> u64 {
        FIRST_FRAME_BLOCK * BLOCK64 + (copy * self.meta_pages + page) * FRAME as u64
    }

    /// Bytes that the metadata store may use.
    pub(crate) fn area_bytes(&self) -> u64 {
        self.meta_pages * BLOCK64
    }

    /// The first block that can hold file data.
    pub(crate) fn first_data_block(&self) -> u64 {
        self.frame(2, 0).div_ceil(BLOCK64)
    }

    fn encode(&self) -> Vec<u8> {
        let mut block = Vec::with_capacity(BLOCK);
        block.extend_from_slice(MAGIC);
        block.extend_from_slice(&VERSION.to_le_bytes());
        block.extend_from_slice(&(BLOCK as u32).to_le_bytes());
        for field in [self.id, self.blocks, self.meta_pages] {
            block.extend_from_slice(&field.to_le_bytes());
        }
        block.resize(BLOCK - 8, 0);
        let sum = xxh3_64_with_seed(&block, 0);
        block.extend_from_slice(&sum.to_le_bytes());
        block
    }

    fn decode(block: &[u8], device_blocks: u64) -> Option<Self> {
        let (body, sum) = block.split_last_chunk::<8>()?;
        let (magic, rest) = body.split_first_chunk::<8>()?;
        let (version, rest) = rest.split_first_chunk::<4>()?;
        let (block_size, rest) = rest.split_first_chunk::<4>()?;
        let (id, rest) = rest.split_first_chunk::<8>()?;
        let (blocks, rest) = rest.split_first_chunk::<8>()?;
        let meta_pages = rest.first_chunk::<8>()?;
        let genuine = magic == MAGIC
            && u64::from_le_bytes(*sum) == xxh3_64_with_seed(body, 0)
            && u32::from_le_bytes(*version) == VERSION
            && u32::from_le_bytes(*block_size) == BLOCK as u32;
        let geometry = Self {
            id: u64::from_le_bytes(*id),
            blocks: u64::from_le_bytes(*blocks),
            meta_pages: u64::from_le_bytes(*meta_pages),
        };
        // The checksum shows that this library wrote it; these bounds hold even for a forged one.
        let fits = geometry.blocks <= device_blocks.min(u64::from(u32::MAX))
            && geometry.meta_pages >= STORE_START_PAGES
            && geometry.meta_pages < geometry.blocks
            && geometry.first_data_block() < geometry.blocks;
        (genuine && fits).then_some(geometry)
    }

    /// Reads whichever superblock is valid.
    pub(crate) fn load(device: &Arc<dyn BlockDevice>) -> Result<Self> {
        if device.size_bytes() < MIN_DEVICE_BYTES {
            return Err(Error::Corrupt);
        }
        Self::find(&**device, device.size_bytes() / BLOCK64).ok_or(Error::Corrupt)
    }

    /// The size of the volume according to whichever superblock is valid, even if the device is smaller.
    pub(crate) fn stored_bytes(device: &dyn BlockDevice) -> Option<u64> {
        Self::find(device, u64::MAX).map(|geometry| geometry.blocks * BLOCK64)
    }

    fn find(device: &dyn BlockDevice, device_blocks: u64) -> Option<Self> {
        let mut block = vec![0; BLOCK];
        [0, BLOCK64].into_iter().find_map(|place| {
            device.read_at(place, &mut block).ok()?;
            Self::decode(&block, device_blocks)
        })
    }

    /// Whether one of the superblocks has the magic number, however damaged the rest may be.
    pub(crate) fn is_marked(device: &dyn BlockDevice) -> bool {
        let mut sector = [0; SECTOR];
        [0, BLOCK64]
            .iter()
            .any(|place| device.read_at(*place, &mut sector).is_ok() && sector.starts_with(MAGIC))
    }

    /// Invalidates both superblocks, as the first step of `format`.
    pub(crate) fn erase(device: &Arc<dyn BlockDevice>) -> Result<()> {
        device.write_at(0, &vec![0; BLOCK * FIRST_FRAME_BLOCK as usize])?;
        Ok(device.flush()?)
    }

    /// Writes both superblocks, as the last step of `format`.
    pub(crate) fn save(&self, device: &Arc<dyn BlockDevice>) -> Result<()> {
        let block = self.encode();
        device.write_at(0, &block)?;
        device.write_at(BLOCK64, &block)?;
        Ok(device.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{Frames, Health};
    use crate::store::Store;
    use crate::{MemDevice, Options, ROOT, Volume};
    use redb::StorageBackend;

    #[test]
    fn the_store_starts_in_the_smallest_area() {
        let device: Arc<dyn BlockDevice> = Arc::new(MemDevice::new(MIN_DEVICE_BYTES));
        let geometry = Geometry::plan(1, MIN_DEVICE_BYTES, None).unwrap();
        assert_eq!(geometry.meta_pages, STORE_START_PAGES);
        let health = Arc::<Health>::default();
        let frames = Frames::open(device.clone(), geometry, health.clone()).unwrap();
        let store = Store::open(frames, geometry.area_bytes(), health.clone(), 1 << 20).unwrap();
        drop(store);
        let frames = Frames::open(device, geometry, health).unwrap();
        assert!(frames.len().unwrap() <= geometry.area_bytes());
    }

    #[test]
    fn the_store_grows_as_expected() {
        let device: Arc<dyn BlockDevice> = Arc::new(MemDevice::new(64 << 20));
        Volume::format(&device, Default::default(), 0).unwrap();
        let geometry = Geometry::load(&device).unwrap();
        let mut volume = Volume::open(device, Options::default()).unwrap();
        let mut seen = vec![STORE_START_PAGES];
        let mut is_full = false;
        for number in 0.. {
            let store_pages = volume.store.store_bytes() / BLOCK64;
            if seen.last() != Some(&store_pages) {
                seen.push(store_pages);
            }
            if is_full {
                break;
            }
            is_full = volume.create_file(ROOT, &format!("a file with the number {number}")).is_err();
        }
        let steps = iter::successors(Some(STORE_START_PAGES), |pages| Some(grown_store_pages(*pages)));
        assert_eq!(seen, steps.take_while(|pages| *pages <= geometry.meta_pages).collect::<Vec<_>>());
        assert_eq!(seen.last(), Some(&geometry.meta_pages));
    }

    #[test]
    fn no_page_of_the_metadata_area_is_out_of_reach() {
        for mebibytes in [4, 16, 64, 100, 128, 1000, 1024, 65_536, 200_000, 1 << 20] {
            let geometry = Geometry::plan(1, mebibytes << 20, None).unwrap();
            let mut store_pages = STORE_START_PAGES;
            while store_pages < geometry.meta_pages {
                store_pages = grown_store_pages(store_pages);
            }
            assert_eq!(store_pages, geometry.meta_pages, "{mebibytes} MiB");
            let share = geometry.blocks as f64 / geometry.meta_pages as f64;
            assert!((10.0..22.0).contains(&share) || mebibytes < 16, "{mebibytes} MiB: a {share}th");
        }
    }

    #[test]
    fn a_superblock_is_read_from_either_copy() {
        let device: Arc<dyn BlockDevice> = Arc::new(MemDevice::new(8 << 20));
        Volume::format(&device, Default::default(), 0).unwrap();
        for place in [0, BLOCK64] {
            let mut block = vec![0; BLOCK];
            device.read_at(place, &mut block).unwrap();
            let mut bad = block.clone();
            bad[100] ^= 1;
            device.write_at(place, &bad).unwrap();
            assert!(Volume::open(device.clone(), Options::default()).unwrap().stat(ROOT).is_ok());
            device.write_at(place, &block).unwrap();
        }
    }
}
