//! Images of read-only volumes, as small as their content allows.

use std::sync::Arc;

use anyhow::{Result, ensure};
use capos_volume::{BlockDevice, Error, MemDevice, Mode, ROOT, Volume};

use crate::source::{LeftOut, Source};
use crate::{image, import};

/// An image of a volume with the content of a folder.
#[derive(Debug)]
pub struct Packed {
    /// The image.
    pub bytes: Vec<u8>,
    /// The entries of the folder that were left out.
    pub left_out: Vec<LeftOut>,
}

/// An image of at most `most_bytes` with the content of `source`. Symbolic links stay links.
pub fn pack(source: &Source, most_bytes: u64) -> Result<Packed> {
    let mut size = source.need();
    loop {
        let needed = size.device_bytes();
        ensure!(
            needed <= most_bytes,
            "{}: the packed image would take {} MiB, more than the maximum of {} MiB",
            source.folder.path().display(),
            needed.div_ceil(1 << 20),
            most_bytes >> 20
        );
        let device: Arc<dyn BlockDevice> = Arc::new(MemDevice::try_new(needed)?);
        match fill(&device, source, size.metadata_bytes()) {
            Ok(unreadable) => {
                let mut bytes = vec![0; usize::try_from(device.size_bytes())?];
                device.read_at(0, &mut bytes)?;
                return Ok(Packed { bytes, left_out: [source.left_out(), &unreadable].concat() });
            }
            Err(error) if is_full(&error) => size.grow(),
            Err(error) => return Err(error),
        }
    }
}

fn fill(device: &Arc<dyn BlockDevice>, source: &Source, metadata: u64) -> Result<Vec<LeftOut>> {
    image::format(device, Some(metadata))?;
    let mut volume = Volume::open(device.clone(), image::options(Mode::ReadWrite))?;
    import::import_contents(&mut volume, source, ROOT)
}

fn is_full(error: &anyhow::Error) -> bool {
    error.downcast_ref() == Some(&Error::NoSpace)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

    use std::fs;
    use std::path::Path;

    use capos_volume::MIN_DEVICE_BYTES;

    use super::*;
    use crate::export;
    use crate::links::Links;

    fn pack(folder: &Path, most_bytes: u64) -> Result<Packed> {
        super::pack(&Source::scan(folder, Links::Inside)?, most_bytes)
    }

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

        let image = pack(&source, 1 << 30).unwrap().bytes;
        assert!(image.len() < 14 << 20, "{} bytes for 10 MiB", image.len());
        let device: Arc<dyn BlockDevice> = Arc::new(MemDevice::from_image(&image));
        let mut volume = Volume::open(device, image::options(Mode::ReadOnly)).unwrap();
        let target = folder.path().join("target");
        export::export(&mut volume, ".", &target, export::Existing::Keep).unwrap();
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
        assert_eq!(pack(folder.path(), 1 << 30).unwrap().bytes.len() as u64, MIN_DEVICE_BYTES);
    }

    #[test]
    fn what_is_not_there_cannot_be_packed() {
        let error = pack(Path::new("/nonexistent/folder"), 1 << 30).unwrap_err();
        assert!(format!("{error:#}").starts_with("/nonexistent/folder"), "{error:#}");
    }

    #[test]
    fn what_is_too_large_is_refused_before_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("large"), vec![1; 6 << 20]).unwrap();
        let error = format!("{:#}", pack(folder.path(), 5 << 20).unwrap_err());
        assert!(error.contains("more than the maximum of 5 MiB"), "{error}");
    }

    #[test]
    fn holes_are_not_packed() {
        let folder = tempfile::tempdir().unwrap();
        let file = fs::File::create(folder.path().join("sparse")).unwrap();
        file.set_len(3 << 30).unwrap();
        std::os::unix::fs::FileExt::write_at(&file, b"middle", 1 << 30).unwrap();
        let image = pack(folder.path(), 64 << 20).unwrap().bytes;
        let device: Arc<dyn BlockDevice> = Arc::new(MemDevice::from_image(&image));
        let mut volume = Volume::open(device, image::options(Mode::ReadOnly)).unwrap();
        let ino = volume.lookup(ROOT, "sparse").unwrap().ino;
        let stat = volume.stat(ino).unwrap();
        assert_eq!((stat.size, stat.stored_bytes), (3 << 30, 4096));
    }
}
