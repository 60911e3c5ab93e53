//! Folders of the host that a program may write to: volumes for the time of the run, brought back at its end.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use capos_volume_tool::Mirror;

use super::{App, Dir};

/// The smallest image for a folder. Images are sparse files, so size costs nothing until it is used.
pub const LEAST_IMAGE_BYTES: u64 = 1 << 30;
/// What an image has room for, in sizes of the folder's files.
const ROOM: u64 = 4;

/// How large to make the images for those of `dirs` that can be written to.
pub fn image_sizes(dirs: &[Dir]) -> Result<Vec<u64>> {
    let sizes = dirs.iter().filter(|dir| !dir.read_only).map(|dir| {
        let bytes = capos_volume_tool::mirror_bytes(&dir.host, ROOM)?;
        Ok(bytes.max(LEAST_IMAGE_BYTES).next_multiple_of(1 << 20))
    });
    sizes.collect()
}

/// The images of a run.
#[derive(Debug)]
pub struct Folders {
    place: tempfile::TempDir,
    images: Vec<(String, PathBuf, Mirror)>,
}

impl Folders {
    /// Copies every folder that can be written to into an image.
    pub fn copy_in(dirs: &[Dir], sizes: &[u64]) -> Result<Self> {
        let place = tempfile::Builder::new().prefix("capos-run-").tempdir().context("a temporary folder")?;
        let mut images = Vec::new();
        let writable = dirs.iter().enumerate().filter(|(_, dir)| !dir.read_only);
        for ((index, dir), size) in writable.zip(sizes) {
            let volume = App::dir_volume(index);
            let image = place.path().join(format!("{volume}.img"));
            let mirror = Mirror::create(&dir.host, &image, *size)
                .with_context(|| format!("copying the folder {}", dir.host.display()))?;
            images.push((volume, image, mirror));
        }
        Ok(Self { place, images })
    }

    /// Which image stands for which disk volume.
    pub fn disks(&self) -> Vec<(String, PathBuf)> {
        self.images.iter().map(|(volume, image, _)| (volume.clone(), image.clone())).collect()
    }

    /// Does to the folders what the program did to their copies. When that cannot be done in full, the images
    /// stay, and the error says where.
    pub fn bring_back(self) -> Result<()> {
        let mut problems = Vec::new();
        for (_, image, mirror) in &self.images {
            if let Err(error) = bring_back(mirror, image) {
                problems.push(format!("{}: {error:#}", mirror.folder().display()));
            }
        }
        if problems.is_empty() {
            return Ok(());
        }
        self.keep(&problems.join("\n"))
    }

    /// Leaves the images where they are and says so.
    pub fn keep(self, why: &str) -> Result<()> {
        ensure!(!self.images.is_empty(), "{why}");
        let place = self.place.keep();
        anyhow::bail!(
            "{why}\nwhat the program wrote is in the images in {}; `capos volume export` gets it out",
            place.display()
        )
    }

    /// Whether there is anything to bring back.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }
}

fn bring_back(mirror: &Mirror, image: &Path) -> Result<()> {
    let outcome = mirror.bring_back(image)?;
    ensure!(
        outcome.conflicts.is_empty(),
        "changed during the run by something else and left alone: {}",
        outcome.conflicts.join(", ")
    );
    Ok(())
}
