//! Examines the disk image of a killed machine without changing it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use capos_history::Tree;
use capos_volume::{FileDevice, Kind, Mode, Options, ROOT, Volume};
use rustix::fs::{FlockOperation, fcntl_lock};

/// The content of the volume. It must open without repair and be consistent.
pub(crate) fn read(file: &Path) -> Result<Tree> {
    let image = File::options().read(true).write(true).open(file).context("the image")?;
    // QEMU locks its images. A killed process may still be writing until the lock is obtained.
    fcntl_lock(&image, FlockOperation::LockExclusive).context("waiting for QEMU's end")?;
    let device = Arc::new(FileDevice::new(image).context("the image")?);
    // Read-only: it is recovered in memory here, and on disk by the next guest.
    let options = Options { mode: Mode::ReadOnly, ..Options::default() };
    let mut volume = Volume::open(device, options).context("the volume does not open")?;
    let report = volume.check().context("checking the volume")?;
    ensure!(report.problems.is_empty(), "the volume has problems: {:?}", report.problems);
    tree(&mut volume).context("reading the volume")
}

fn tree(volume: &mut Volume) -> Result<Tree> {
    let mut tree = Tree::default();
    let mut waiting = vec![(String::new(), ROOT)];
    while let Some((prefix, directory)) = waiting.pop() {
        for listed in volume.read_dir(directory, 0, usize::MAX)? {
            let path = format!("{prefix}{}", listed.name);
            let stat = volume.stat(listed.entry.ino)?;
            match stat.kind {
                Kind::Directory => {
                    waiting.push((format!("{path}/"), listed.entry.ino));
                    tree.directories.insert(path);
                }
                Kind::File => {
                    let mut bytes = vec![0; usize::try_from(stat.size)?];
                    let mut done = 0;
                    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
                        let count = volume.read(listed.entry.ino, done as u64, rest)?;
                        ensure!(count > 0, "{path} ends early");
                        done += count;
                    }
                    tree.files.insert(path, bytes);
                }
                Kind::Symlink => bail!("{path} is a link, which nobody made"),
            }
        }
    }
    Ok(tree)
}
