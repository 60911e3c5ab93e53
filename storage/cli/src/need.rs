//! The volume size needed for the content of a folder.

use std::collections::HashSet;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

use capos_volume::{BLOCK, MIN_DEVICE_BYTES, room_bytes};

use crate::MOST_DEVICE_BYTES;

/// Metadata of an entry, in addition to its name, which is stored twice.
const ENTRY_BYTES: u64 = 170;
/// A seventh of the metadata area is guaranteed to be usable.
const METADATA_FACTOR: u64 = 7;
/// Initial size of the metadata store, which grows by doubling.
const LEAST_METADATA: u64 = 258 * BLOCK as u64;
/// Files up to this size are counted as if they had no holes.
const LEAST_SPARSE: u64 = 64 << 10;
/// Metadata pages for a small file: its records, half of which may be in half-full pages, and space for a copy.
const SMALL_FILE_BYTES: u64 = 1024;
/// Up to this size, a folder's volume has a metadata area for as many files as there are data blocks.
const MOST_ROOMY_METADATA: u64 = LEAST_METADATA << 6;

/// The space that the content of a folder needs in a volume, in bytes.
#[derive(Default)]
pub(crate) struct Need {
    data: u64,
    metadata: u64,
}

impl Need {
    /// Counts entries, each a path and what the host says of it.
    pub(crate) fn of<'a>(entries: impl Iterator<Item = (&'a str, &'a Metadata)>) -> Self {
        let mut need = Self::default();
        let mut linked = HashSet::new();
        for (path, meta) in entries {
            let name = path.rsplit('/').next().map_or(0, str::len) as u64;
            need.metadata += ENTRY_BYTES + 2 * name;
            if meta.is_file() && (meta.nlink() == 1 || linked.insert((meta.dev(), meta.ino()))) {
                // Holes take nothing. Many file systems do not report the blocks of small files.
                let stored = meta.blocks().saturating_mul(512).max(LEAST_SPARSE);
                let blocks = meta.size().min(stored).div_ceil(BLOCK as u64);
                need.data += blocks * BLOCK as u64;
                need.metadata += 8 * blocks;
            }
        }
        need
    }

    /// Bytes of data blocks.
    pub(crate) fn data_bytes(&self) -> u64 {
        self.data
    }

    /// A metadata area that is large enough if the estimate is right.
    pub(crate) fn metadata_bytes(&self) -> u64 {
        store_bytes(self.metadata.saturating_mul(METADATA_FACTOR))
    }

    /// A device with such an area. Metadata is stored twice, in frames an eighth longer than its pages; a 256th and
    /// some blocks are kept free.
    pub(crate) fn device_bytes(&self) -> u64 {
        let metadata = self.metadata_bytes().saturating_mul(9) / 4;
        let data = self.data.saturating_add(self.data / 128);
        let bytes = metadata.saturating_add(data).saturating_add(64 * BLOCK as u64).max(MIN_DEVICE_BYTES);
        bytes.next_multiple_of(BLOCK as u64)
    }

    /// A metadata area for `room` bytes of data: one small file per block, or one per 16 blocks if that would take too
    /// much space; and twice the present content.
    pub(crate) fn roomy_metadata_bytes(&self, room: u64) -> u64 {
        let blocks = self.data.max(room).div_ceil(BLOCK as u64);
        let small = blocks.saturating_mul(SMALL_FILE_BYTES);
        let wanted = small.min(MOST_ROOMY_METADATA).max(small / 16);
        let needed = self.metadata.saturating_mul(2 * METADATA_FACTOR);
        store_bytes(wanted.max(needed))
    }

    /// A device with such an area, and with `room` for data.
    pub(crate) fn roomy_device_bytes(&self, room: u64) -> u64 {
        let metadata = self.roomy_metadata_bytes(room);
        let data = self.data.max(room);
        let mut bytes = data.saturating_add(metadata.saturating_mul(9) / 4).max(MIN_DEVICE_BYTES);
        // The area is at most a quarter of the device.
        bytes = bytes.max(metadata.saturating_mul(4));
        // The volume's own overhead grows with it.
        while bytes < MOST_DEVICE_BYTES {
            match data.saturating_sub(room_bytes(bytes, Some(metadata))) {
                0 => break,
                missing => bytes = bytes.saturating_add(missing.next_multiple_of(BLOCK as u64)),
            }
        }
        bytes
    }

    /// Increases an estimate that was too low.
    pub(crate) fn grow(&mut self) {
        self.data = self.data.saturating_add(self.data / 2).saturating_add(1 << 20);
        self.metadata = self.metadata.saturating_mul(2);
    }
}

/// The smallest size, at least `bytes`, to which the metadata store grows; half of an area that misses the next size is
/// never used.
fn store_bytes(bytes: u64) -> u64 {
    let steps = bytes.div_ceil(LEAST_METADATA).max(1);
    steps.checked_next_power_of_two().unwrap_or(u64::MAX).saturating_mul(LEAST_METADATA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_the_room_that_is_asked_for() {
        for room in [1, 4 << 20, 5 << 20, 7 << 20, 20 << 20, 100 << 20, 1 << 30, 64 << 30, 1 << 40, 12 << 40]
        {
            let (need, bytes) = (Need::default(), Need::default().roomy_device_bytes(room));
            let found = room_bytes(bytes, Some(need.roomy_metadata_bytes(room)));
            assert!(found >= room, "{room}: {found} of {bytes}");
            // Names take as much again if files are small, and a sixth if there is much space.
            let most = if room > 1 << 30 { room / 5 } else { room + room / 5 };
            assert!(bytes <= room + most + MIN_DEVICE_BYTES + (64 << 10), "{room}: {bytes}");
            assert!(bytes <= MOST_DEVICE_BYTES);
        }
        assert!(Need::default().roomy_device_bytes(u64::MAX) >= MOST_DEVICE_BYTES);
    }
}
