//! Moves new entries into place and old ones out of it. Each step checks what it moved away, and moves it back if it is
//! not the entry that the program had seen.

use std::io;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use capos_volume::{Kind, Volume};
use rustix::fs::{AtFlags, Mode, RenameFlags, linkat, mkdirat, renameat, renameat_with};
use rustix::io::Errno;

use super::stage::{Staging, new_name, old_name};
use super::step::{Outcome, Step, is_below};
use super::{HostEntry, Mirror};
use crate::host::{self, is_absent, look};

pub(super) struct Put<'a> {
    pub(super) mirror: &'a Mirror,
    pub(super) staging: &'a Staging,
    pub(super) steps: &'a [Step<'a>],
}

/// The result of one step.
enum Done {
    Changed,
    /// Another entry was there, and still is.
    Conflict,
}

impl Put<'_> {
    /// Moves the old entries away, innermost first, and the new ones into place, outermost first.
    pub(super) fn all(&self, volume: &mut Volume, outcome: &mut Outcome) -> Result<()> {
        for (index, step) in self.steps.iter().enumerate().rev() {
            let removed = self.remove(index, step);
            if let Done::Conflict = removed.with_context(|| self.shown(step))? {
                outcome.conflicts.push(step.path.to_owned());
            }
        }
        for (index, step) in self.steps.iter().enumerate() {
            let left_alone = outcome.conflicts.iter().any(|one| one == step.path);
            if left_alone || is_below(step.path, &outcome.conflicts) {
                continue;
            }
            match self.add(index, step).with_context(|| self.shown(step))? {
                Done::Changed => outcome.changed += 1,
                Done::Conflict => outcome.conflicts.push(step.path.to_owned()),
            }
        }
        // Innermost first: a directory whose mode forbids changes already has its entries.
        for step in self.steps.iter().rev() {
            let Some(entry) = step.change.adds.filter(|entry| entry.kind == Kind::Directory) else {
                continue;
            };
            let modified_ns = volume.stat(entry.ino)?.modified_ns;
            match self.mirror.folder.set_directory(step.path, step.mode.clone(), modified_ns) {
                Err(error) if !is_absent(&error) => return Err(error).with_context(|| self.shown(step)),
                _ => {}
            }
        }
        Ok(())
    }

    fn shown(&self, step: &Step<'_>) -> String {
        self.mirror.folder().join(step.path).display().to_string()
    }

    fn remove(&self, index: usize, step: &Step<'_>) -> io::Result<Done> {
        let Some(kind) = step.change.removes else { return Ok(Done::Changed) };
        if replaces(step) {
            // Replaced in one step, later.
            return Ok(Done::Changed);
        }
        let (directory, name) = match self.mirror.folder.place(step.path) {
            Err(error) if is_absent(&error) => return Ok(Done::Conflict),
            place => place?,
        };
        if kind == Kind::Directory {
            return match host::remove(&directory, name, AtFlags::REMOVEDIR) {
                // An entry in it was left alone.
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty || is_absent(&error) => {
                    Ok(Done::Conflict)
                }
                removed => removed.map(|()| Done::Changed),
            };
        }
        let old = old_name(index);
        match rename(&directory, name, &self.staging.folder, &old, RenameFlags::NOREPLACE) {
            Err(error) if is_absent(&error) => return Ok(Done::Conflict),
            renamed => renamed?,
        }
        if self.is_expected(step, &old)? {
            return Ok(Done::Changed);
        }
        rename(&self.staging.folder, &old, &directory, name, RenameFlags::NOREPLACE)?;
        Ok(Done::Conflict)
    }

    fn add(&self, index: usize, step: &Step<'_>) -> io::Result<Done> {
        let Some(entry) = step.change.adds else { return Ok(Done::Changed) };
        let (directory, name) = match self.mirror.folder.place(step.path) {
            Err(error) if is_absent(&error) => return Ok(Done::Conflict),
            place => place?,
        };
        let new = new_name(index);
        let staging = &self.staging.folder;
        if entry.kind == Kind::Directory {
            return match mkdirat(&directory, name, Mode::RWXU | Mode::RWXG | Mode::RWXO) {
                Err(Errno::EXIST) if look(&directory, name)?.is_dir() => Ok(Done::Changed),
                Err(Errno::EXIST) => Ok(Done::Conflict),
                made => Ok(made.map(|()| Done::Changed)?),
            };
        }
        if !replaces(step) {
            return match rename(staging, &new, &directory, name, RenameFlags::NOREPLACE) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Done::Conflict),
                renamed => renamed.map(|()| Done::Changed),
            };
        }
        match renameat_with(staging, &new, &directory, name, RenameFlags::EXCHANGE) {
            Ok(()) if self.is_expected(step, &new)? => Ok(Done::Changed),
            Ok(()) => {
                renameat_with(staging, &new, &directory, name, RenameFlags::EXCHANGE)?;
                Ok(Done::Conflict)
            }
            Err(Errno::INVAL | Errno::NOSYS) => self.replace(index, step, &directory, name),
            Err(error) if is_absent(&error.into()) => Ok(Done::Conflict),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces the old entry on a file system that cannot exchange names: a hard link to the old one is kept.
    fn replace(&self, index: usize, step: &Step<'_>, directory: &OwnedFd, name: &str) -> io::Result<Done> {
        let (staging, old) = (&self.staging.folder, old_name(index));
        match linkat(directory, name, staging, &old, AtFlags::empty()) {
            Ok(()) if !self.is_expected(step, &old)? => return Ok(Done::Conflict),
            Ok(()) => {}
            // Hard links are not supported either.
            Err(_) => {
                let expected = look(directory, name)
                    .is_ok_and(|meta| self.mirror.host.get(step.path) == Some(&HostEntry::of(&meta)));
                if !expected {
                    return Ok(Done::Conflict);
                }
            }
        }
        renameat(staging, new_name(index), directory, name)?;
        Ok(Done::Changed)
    }

    /// Whether the entry moved into the staging folder as `name` is the one that the program had seen at the
    /// step's path.
    fn is_expected(&self, step: &Step<'_>, name: &str) -> io::Result<bool> {
        let taken = HostEntry::of(&look(&self.staging.folder, name)?);
        Ok(self.mirror.host.get(step.path) == Some(&taken))
    }
}

/// Whether a file or link replaces another one.
fn replaces(step: &Step<'_>) -> bool {
    let other = |kind: Kind| kind != Kind::Directory;
    step.change.removes.is_some_and(other) && step.change.adds.is_some_and(|entry| other(entry.kind))
}

/// Renames without replacing anything, as far as the file system can guarantee that.
fn rename(from: &OwnedFd, name: &str, to: &OwnedFd, new_name: &str, flags: RenameFlags) -> io::Result<()> {
    match renameat_with(from, name, to, new_name, flags) {
        Err(Errno::INVAL | Errno::NOSYS) => match look(to, new_name) {
            Ok(_) => Err(Errno::EXIST.into()),
            Err(error) if is_absent(&error) => Ok(renameat(from, name, to, new_name)?),
            Err(error) => Err(error),
        },
        renamed => Ok(renamed?),
    }
}
