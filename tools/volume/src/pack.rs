//! Images of read-only volumes, as small as what they hold allows.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use capos_volume::{BlockDevice, Error, MemDevice, Mode, ROOT, Volume};

use crate::need::Need;
use crate::{image, import};

/// The largest image tried.
const MOST_BYTES: u64 = 1 << 40;

/// An image of a volume with what is in `folder`. Symbolic links stay links.
pub fn pack(folder: &Path) -> Result<Vec<u8>> {
    let mut size = Need::of(folder)?;
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

    use std::fs;

    use capos_volume::MIN_DEVICE_BYTES;

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
