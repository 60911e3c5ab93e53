//! The temporary folder of a run. A run that is killed cannot remove its folder: the next one does, unless it holds data
//! that a program wrote.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::{Builder, TempDir};

use crate::say::say;

const PREFIX: &str = "capos-run-";
/// Locked during the run.
const LOCK: &str = "lock";
const IMAGES: &str = "images";

/// A folder that is removed when this value is dropped.
#[derive(Debug)]
pub struct Workplace {
    folder: TempDir,
    _lock: File,
}

impl Workplace {
    /// Creates one in the system's temporary folder, and removes those of runs that were killed.
    ///
    /// # Errors
    /// If there is no temporary folder.
    pub fn make() -> Result<Self> {
        let place = env::temp_dir();
        for images in sweep(&place) {
            say(format_args!(
                "an earlier run was killed; its program's data is still in the images in {}: \
                 `capos volume export` gets it out; remove the folder when it is not needed",
                images.display()
            ));
        }
        Self::make_in(&place)
    }

    fn make_in(place: &Path) -> Result<Self> {
        let folder = Builder::new().prefix(PREFIX).tempdir_in(place);
        let folder = folder.context("no temporary folder can be made; TMPDIR names another place for it")?;
        // Locked before it gets its name.
        let (new, name) = (folder.path().join("new"), folder.path().join(LOCK));
        let lock = File::create_new(&new).with_context(|| new.display().to_string())?;
        lock.lock().and_then(|()| fs::rename(&new, &name)).with_context(|| name.display().to_string())?;
        Ok(Self { folder, _lock: lock })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Creates the folder for images of folders, which stays if the run is killed.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn images(&self) -> Result<PathBuf> {
        let images = self.path().join(IMAGES);
        fs::create_dir(&images).with_context(|| images.display().to_string())?;
        Ok(images)
    }

    /// Removes everything but the images, and returns their path.
    pub fn keep_images(self) -> PathBuf {
        keep_images(&self.folder.keep())
    }
}

/// Removes the folders in `place` of killed runs. Returns those with images, which stay, and are returned only once.
fn sweep(place: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let of_runs = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    let ours = of_runs.filter(|entry| {
        let us = rustix::process::geteuid().as_raw();
        entry.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == us)
    });
    let mut kept = Vec::new();
    for folder in ours.map(|entry| entry.path()) {
        let Ok(lock) = File::open(folder.join(LOCK)) else { continue };
        if lock.try_lock().is_err() {
            continue;
        }
        let images = fs::read_dir(folder.join(IMAGES));
        if images.is_ok_and(|mut images| images.next().is_some()) {
            kept.push(keep_images(&folder));
        } else {
            // If it cannot be removed now, the next run tries again.
            drop(fs::remove_dir_all(&folder));
        }
    }
    kept
}

fn keep_images(folder: &Path) -> PathBuf {
    let images = folder.join(IMAGES);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path != images {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            // The rest is not needed.
            drop(if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) });
        }
    }
    images
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The folder of a killed run, with an unlocked lock file.
    fn killed(place: &Path) -> PathBuf {
        let Workplace { folder, _lock } = Workplace::make_in(place).unwrap();
        folder.keep()
    }

    #[test]
    fn a_run_that_lives_keeps_its_folder_and_a_killed_one_loses_it() {
        let place = tempfile::tempdir().unwrap();
        let living = Workplace::make_in(place.path()).unwrap();
        let dead = killed(place.path());
        fs::write(dead.join("package"), "much").unwrap();
        // Not a run's, or not certainly one.
        fs::create_dir(place.path().join("other")).unwrap();
        fs::create_dir(place.path().join("capos-run-without-lock")).unwrap();
        assert!(sweep(place.path()).is_empty());
        assert!(living.path().is_dir() && !dead.exists());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 3);
        let path = living.path().to_owned();
        drop(living);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_program_wrote_stays_and_is_told_once() {
        let place = tempfile::tempdir().unwrap();
        let living = Workplace::make_in(place.path()).unwrap();
        fs::write(living.images().unwrap().join("dir0.img"), "data").unwrap();
        fs::create_dir(living.path().join("boot")).unwrap();
        let folder = living.path().to_owned();
        let Workplace { folder: dead, _lock } = living;
        drop((dead.keep(), _lock));
        let images = folder.join("images");
        assert_eq!(sweep(place.path()), std::slice::from_ref(&images));
        assert!(sweep(place.path()).is_empty());
        assert_eq!(fs::read_to_string(images.join("dir0.img")).unwrap(), "data");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn images_can_be_kept_without_the_rest() {
        let place = tempfile::tempdir().unwrap();
        let living = Workplace::make_in(place.path()).unwrap();
        fs::write(living.images().unwrap().join("dir0.img"), "data").unwrap();
        let images = living.keep_images();
        assert!(images.join("dir0.img").is_file());
        assert!(sweep(place.path()).is_empty() && images.is_dir());
    }
}
