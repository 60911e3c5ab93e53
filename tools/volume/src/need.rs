//! How large a volume must be for what is in a folder.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use capos_volume::{BLOCK, MIN_DEVICE_BYTES};

/// Metadata of an entry beside its name, which it has twice.
const ENTRY_BYTES: u64 = 170;
/// A seventh of the metadata area is certain to fit.
const METADATA_FACTOR: u64 = 7;
/// The metadata store begins with this much and grows by doubling.
const LEAST_METADATA: u64 = 258 * BLOCK as u64;
/// By default a volume's metadata area is one part in so many of it.
const METADATA_SHARE: u64 = 16;

/// What the content of a folder needs in a volume, in bytes.
#[derive(Default)]
pub(crate) struct Need {
    data: u64,
    metadata: u64,
}

impl Need {
    /// Looks at everything below `folder`.
    pub(crate) fn of(folder: &Path) -> Result<Self> {
        let mut need = Self::default();
        need.measure(folder)?;
        Ok(need)
    }

    fn measure(&mut self, folder: &Path) -> Result<()> {
        for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let meta = entry.metadata().with_context(|| entry.path().display().to_string())?;
            let name = entry.file_name().len() as u64;
            let blocks = if meta.is_file() { meta.size().div_ceil(BLOCK as u64) } else { 1 };
            self.data += blocks * BLOCK as u64;
            self.metadata += ENTRY_BYTES + 2 * name + 8 * blocks;
            if meta.is_dir() {
                self.measure(&entry.path())?;
            } else if !meta.is_file() && !meta.is_symlink() {
                bail!("{}: neither file, folder nor symbolic link", entry.path().display());
            }
        }
        Ok(())
    }

    /// A metadata area that is large enough for certain, or would be if the estimate were right.
    pub(crate) fn metadata_bytes(&self) -> u64 {
        let needed = self.metadata.saturating_mul(METADATA_FACTOR);
        needed.div_ceil(LEAST_METADATA).max(1).next_power_of_two().saturating_mul(LEAST_METADATA)
    }

    /// A device with such an area. Metadata is kept twice, in frames an eighth longer than its pages; a 256th and a
    /// little is kept free.
    pub(crate) fn device_bytes(&self) -> u64 {
        let metadata = self.metadata_bytes().saturating_mul(9) / 4;
        let data = self.data.saturating_add(self.data / 128);
        let bytes = metadata.saturating_add(data).saturating_add(64 * BLOCK as u64).max(MIN_DEVICE_BYTES);
        bytes.next_multiple_of(BLOCK as u64)
    }

    /// A device with a metadata area as large as it is by default, of which the store can reach half at worst, and room
    /// for so many times the data, which takes less than a quarter more than it is long.
    pub(crate) fn roomy_device_bytes(&self, times: u64) -> u64 {
        let for_metadata = self.metadata.saturating_mul(METADATA_FACTOR * 2 * METADATA_SHARE);
        let data = self.data.saturating_mul(times);
        data.saturating_add(data / 4).max(for_metadata).max(MIN_DEVICE_BYTES)
    }

    /// The estimate was too low.
    pub(crate) fn grow(&mut self) {
        self.data = self.data.saturating_add(self.data / 2).saturating_add(1 << 20);
        self.metadata = self.metadata.saturating_mul(2);
    }
}
