//! How large a volume must be for what is in a folder.

use std::collections::HashSet;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

use capos_volume::{BLOCK, MIN_DEVICE_BYTES, room_bytes};

use crate::MOST_DEVICE_BYTES;

/// Metadata of an entry beside its name, which it has twice.
const ENTRY_BYTES: u64 = 170;
/// A seventh of the metadata area is certain to fit.
const METADATA_FACTOR: u64 = 7;
/// The metadata store begins with this much and grows by doubling.
const LEAST_METADATA: u64 = 258 * BLOCK as u64;
/// Files up to this size are counted as if they had no holes.
const LEAST_SPARSE: u64 = 64 << 10;
/// Pages of metadata for a small file: its records, half of which may lie in pages that are half full, and the room for a copy.
const SMALL_FILE_BYTES: u64 = 1024;
/// Up to this size, the metadata area of a volume for a folder has room for as many files as there is data for.
const MOST_ROOMY_METADATA: u64 = LEAST_METADATA << 6;

/// The room that the content of a folder needs in a volume, in bytes.
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
                // Holes take nothing. What little files take is often not told.
                let stored = meta.blocks().saturating_mul(512).max(LEAST_SPARSE);
                let blocks = meta.size().min(stored).div_ceil(BLOCK as u64);
                need.data += blocks * BLOCK as u64;
                need.metadata += 8 * blocks;
            }
        }
        need
    }

    /// Bytes of blocks.
    pub(crate) fn data_bytes(&self) -> u64 {
        self.data
    }

    /// A metadata area that is large enough for certain, or would be if the estimate were right.
    pub(crate) fn metadata_bytes(&self) -> u64 {
        store_bytes(self.metadata.saturating_mul(METADATA_FACTOR))
    }

    /// A device with such an area. Metadata is kept twice, in frames an eighth longer than its pages; a 256th and a
    /// little is kept free.
    pub(crate) fn device_bytes(&self) -> u64 {
        let metadata = self.metadata_bytes().saturating_mul(9) / 4;
        let data = self.data.saturating_add(self.data / 128);
        let bytes = metadata.saturating_add(data).saturating_add(64 * BLOCK as u64).max(MIN_DEVICE_BYTES);
        bytes.next_multiple_of(BLOCK as u64)
    }

    /// A metadata area for `room` bytes of data: a small file for each block, or one for each 16 blocks where that would take
    /// much; and twice what is there for certain.
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
        // The area is at most a quarter of a device.
        bytes = bytes.max(metadata.saturating_mul(4));
        // What a volume takes for itself grows with it.
        while bytes < MOST_DEVICE_BYTES {
            match data.saturating_sub(room_bytes(bytes, Some(metadata))) {
                0 => break,
                missing => bytes = bytes.saturating_add(missing.next_multiple_of(BLOCK as u64)),
            }
        }
        bytes
    }

    /// The estimate was too low.
    pub(crate) fn grow(&mut self) {
        self.data = self.data.saturating_add(self.data / 2).saturating_add(1 << 20);
        self.metadata = self.metadata.saturating_mul(2);
    }
}

/// A size of at least `bytes` that the metadata store can grow to: of an area that misses the next step, half is never used.
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
            // Names take as much again where files are small, and a sixth where there is much room.
            let most = if room > 1 << 30 { room / 5 } else { room + room / 5 };
            assert!(bytes <= room + most + MIN_DEVICE_BYTES + (64 << 10), "{room}: {bytes}");
            assert!(bytes <= MOST_DEVICE_BYTES);
        }
        assert!(Need::default().roomy_device_bytes(u64::MAX) >= MOST_DEVICE_BYTES);
    }
}
