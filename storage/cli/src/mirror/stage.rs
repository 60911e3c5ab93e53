//! The folder within the user's folder that holds new files before and old files after they are moved: on the
//! same file system, so that a move is one step.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use anyhow::{Context, Result};
use capos_volume::{Ino, Kind, Volume};
use rustix::fs::{AtFlags, Mode, OFlags, linkat, mkdirat, openat, symlinkat, syncfs};

use super::Entry;
use super::step::Step;
use crate::export::copy_file;
use crate::host::{self, HostFolder};

pub(super) struct Staging {
    parent: OwnedFd,
    name: String,
    shown: PathBuf,
    pub(super) folder: OwnedFd,
}

impl Staging {
    pub(super) fn create(folder: &HostFolder) -> Result<Self> {
        let number = getrandom::u64().context("cannot generate a folder name")?;
        let name = format!(".capos-{number:016x}");
        let shown = folder.path().join(&name);
        let made = || -> io::Result<Self> {
            let parent = folder.directory("")?;
            mkdirat(&parent, &name, Mode::RWXU)?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let staging = openat(&parent, &name, flags, Mode::empty())?;
            Ok(Self { parent, name: name.clone(), shown: shown.clone(), folder: staging })
        };
        made().with_context(|| shown.display().to_string())
    }

    /// Its path, for messages.
    pub(super) fn shown(&self) -> std::path::Display<'_> {
        self.shown.display()
    }

    /// Removes it and its contents.
    pub(super) fn remove(&self) -> Result<()> {
        let gone = || -> io::Result<()> {
            let (names, _) = host::names(&self.folder)?;
            for name in names {
                host::remove(&self.folder, &name, AtFlags::empty())?;
            }
            host::remove(&self.parent, &self.name, AtFlags::REMOVEDIR)
        };
        gone().with_context(|| self.shown().to_string())
    }

    /// Copies new content from the volume, durably. A file with several names is copied once.
    pub(super) fn fill(&self, volume: &mut Volume, steps: &[Step<'_>]) -> Result<()> {
        let mut copied = HashMap::new();
        for (index, step) in steps.iter().enumerate() {
            if let Some(entry) = step.change.adds {
                self.stage(volume, index, step, entry, &mut copied).with_context(|| step.path.to_owned())?;
            }
        }
        syncfs(&self.folder).with_context(|| self.shown().to_string())
    }

    fn stage(
        &self,
        volume: &mut Volume,
        index: usize,
        step: &Step<'_>,
        entry: Entry,
        copied: &mut HashMap<Ino, String>,
    ) -> Result<()> {
        let name = new_name(index);
        match entry.kind {
            Kind::Directory => Ok(()),
            Kind::Symlink => Ok(symlinkat(volume.read_link(entry.ino)?, &self.folder, &name)?),
            Kind::File => {
                if let Some(first) = copied.get(&entry.ino)
                    && linkat(&self.folder, first, &self.folder, &name, AtFlags::empty()).is_ok()
                {
                    return Ok(());
                }
                // The first copy or, on a file system without hard links, a separate copy.
                let flags =
                    OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let mode = Mode::from_raw_mode(0o666);
                let file = File::from(openat(&self.folder, &name, flags, mode)?);
                copy_file(volume, entry.ino, &file)?;
                if let Some(mode) = &step.mode {
                    file.set_permissions(mode.clone())?;
                }
                copied.entry(entry.ino).or_insert(name);
                Ok(())
            }
        }
    }
}

/// Name of the new entry in the staging folder; after an exchange, of the replaced one.
pub(super) fn new_name(index: usize) -> String {
    format!("new-{index}")
}

/// Name of the removed entry in the staging folder.
pub(super) fn old_name(index: usize) -> String {
    format!("old-{index}")
}
