//! Images of read-only volumes, as small as what they hold allows.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use capos_volume::{BLOCK, BlockDevice, Error, MIN_DEVICE_BYTES, MemDevice, Mode, ROOT, Volume};

use crate::{image, import};

/// Metadata of an entry beside its name, which it has twice.
const ENTRY_BYTES: u64 = 170;
/// A seventh of the metadata area is certain to fit.
const METADATA_FACTOR: u64 = 7;
/// The metadata store begins with this much and grows by doubling.
const LEAST_METADATA: u64 = 258 * BLOCK as u64;
/// The largest image tried.
const MOST_BYTES: u64 = 1 << 40;

/// An image of a volume with what is in `folder`. Symbolic links stay links.
pub fn pack(folder: &Path) -> Result<Vec<u8>> {
    let mut size = Size::default();
    size.measure(folder)?;
    loop {
        let device: Arc<dyn BlockDevice> = Arc::new(MemDevice::new(size.device_bytes()));
        match fill(&device, folder, size.metadata_bytes()) {
            Ok(()) => {
                let mut bytes = vec![0; usize::try_from(device.size_bytes())?];
                device.read_at(0, &mut bytes)?;
                return Ok(bytes);
            }
            Err(error) if is_full(&error) && size.device_bytes() < MOST_BYTES => size.grow(),
            Err(error) => return Err(error),
        }
    }
}

fn fill(device: &Arc<dyn BlockDevice>, folder: &Path, metadata: u64) -> Result<()> {
    image::format(device, Some(metadata))?;
    let mut volume = Volume::open(device.clone(), image::options(Mode::ReadWrite))?;
    import::import_contents(&mut volume, folder, ROOT)
}

fn is_full(error: &anyhow::Error) -> bool {
    error.downcast_ref() == Some(&Error::NoSpace)
}

/// What a folder needs, estimated.
#[derive(Default)]
struct Size {
    data: u64,
    metadata: u64,
}

impl Size {
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

    fn metadata_bytes(&self) -> u64 {
        let needed = self.metadata.saturating_mul(METADATA_FACTOR);
        needed.div_ceil(LEAST_METADATA).max(1).next_power_of_two().saturating_mul(LEAST_METADATA)
    }

    /// Metadata is kept twice, in frames an eighth longer than its pages; a 256th and a little is kept free.
    fn device_bytes(&self) -> u64 {
        let metadata = self.metadata_bytes().saturating_mul(9) / 4;
        let data = self.data.saturating_add(self.data / 128);
        let bytes = metadata.saturating_add(data).saturating_add(64 * BLOCK as u64).max(MIN_DEVICE_BYTES);
        bytes.next_multiple_of(BLOCK as u64)
    }

    fn grow(&mut self) {
        self.data = self.data.saturating_add(self.data / 2).saturating_add(1 << 20);
        self.metadata = self.metadata.saturating_mul(2);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

    use super::*;
    use crate::export;

    #[test]
    fn what_is_packed_comes_out_again() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        for number in 0..300 {
            let inner = source.join(format!("folder {}/ä", number % 7));
            fs::create_dir_all(&inner).unwrap();
            fs::write(inner.join(format!("file {number}")), vec![7; number * 100]).unwrap();
        }
        fs::write(source.join("large"), vec![9; 5 << 20]).unwrap();
        std::os::unix::fs::symlink("large", source.join("link")).unwrap();

        let image = pack(&source).unwrap();
        assert!(image.len() < 14 << 20, "{} bytes for 10 MiB", image.len());
        let device: Arc<dyn BlockDevice> = Arc::new(MemDevice::from_image(&image));
        let mut volume = Volume::open(device, image::options(Mode::ReadOnly)).unwrap();
        let target = folder.path().join("target");
        export::export(&mut volume, ".", &target).unwrap();
        for number in 0..300 {
            let path = target.join(format!("folder {}/ä/file {number}", number % 7));
            assert_eq!(fs::read(path).unwrap(), vec![7; number * 100]);
        }
        assert_eq!(fs::read(target.join("link")).unwrap().len(), 5 << 20);
        assert_eq!(fs::read_link(target.join("link")).unwrap(), Path::new("large"));
    }

    #[test]
    fn an_empty_folder_is_a_volume_too() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(pack(folder.path()).unwrap().len() as u64, MIN_DEVICE_BYTES);
    }

    #[test]
    fn what_is_not_there_cannot_be_packed() {
        let error = pack(Path::new("/nonexistent/folder")).unwrap_err();
        assert!(format!("{error:#}").starts_with("/nonexistent/folder"), "{error:#}");
    }
}
