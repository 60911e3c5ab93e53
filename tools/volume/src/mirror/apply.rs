//! Doing to a folder what was done to a volume, so that at no moment a file is only half there or lost.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, Metadata, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use capos_volume::{Ino, Kind, Volume};

use super::difference::Change;
use super::{HostEntry, Mirror};
use crate::export::copy_file;

/// What became of the folder.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Files, folders and links that were made, replaced or removed.
    pub changed: usize,
    /// Paths that were left as they are, because the folder had changed there as well.
    pub conflicts: Vec<String>,
}

/// The folder inside the user's one where new files wait and old ones are kept: on the same file system, so
/// that moving a file is one step.
struct Staging {
    folder: tempfile::TempDir,
}

impl Staging {
    fn new_file(&self, index: usize) -> PathBuf {
        self.folder.path().join(format!("new-{index}"))
    }

    fn old_file(&self, index: usize) -> PathBuf {
        self.folder.path().join(format!("old-{index}"))
    }
}

pub(super) fn apply(
    mirror: &Mirror,
    volume: &mut Volume,
    changes: &BTreeMap<String, Change>,
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut planned = Vec::new();
    for (path, change) in changes {
        check_path(path)?;
        if is_below(path, &outcome.conflicts) || conflicts(mirror, path, change)? {
            outcome.conflicts.push(path.clone());
        } else {
            planned.push((path.as_str(), *change));
        }
    }
    if planned.is_empty() {
        return Ok(outcome);
    }
    let folder = tempfile::Builder::new().prefix(".capos-").tempdir_in(&mirror.folder);
    let staging = Staging { folder: folder.with_context(|| mirror.folder.display().to_string())? };
    let modes = Modes::of(mirror);
    let mut of_directories = Vec::new();
    for (index, (path, change)) in planned.iter().enumerate() {
        let mode = modes.of_new(mirror, path, change)?;
        if let Some((_, mode)) =
            change.adds.zip(mode.clone()).filter(|(entry, _)| entry.kind == Kind::Directory)
        {
            of_directories.push((mirror.folder.join(path), mode));
        }
        stage(volume, &staging, index, change, mode).with_context(|| (*path).to_owned())?;
    }
    let put = put(mirror, &staging, &planned, &mut outcome).and_then(|()| {
        // Innermost first: one that forbids it had its entries before.
        let set = of_directories.into_iter().rev().filter(|(place, _)| place.is_dir());
        set.into_iter().try_for_each(|(place, mode)| {
            fs::set_permissions(&place, mode).with_context(|| place.display().to_string())
        })
    });
    match put {
        Ok(()) => Ok(outcome),
        Err(error) => {
            // From here on the staging folder may have the only copy of something.
            let kept = staging.folder.keep();
            Err(error.context(format!("stopped half way; what was there before is in {}", kept.display())))
        }
    }
}

/// Whether `path` is below one of `others`.
fn is_below(path: &str, others: &[String]) -> bool {
    others.iter().any(|other| path.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('/')))
}

/// Names of a volume have no slash and are not `..`, or it would not open them; but this writes to the host, so
/// better twice.
fn check_path(path: &str) -> Result<()> {
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) || path.contains('\0') {
        bail!("an entry with the path {path:?}");
    }
    Ok(())
}

/// Whether the folder itself has changed at `path`.
fn conflicts(mirror: &Mirror, path: &str, change: &Change) -> Result<bool> {
    let now = metadata(&mirror.folder.join(path))?;
    Ok(match (&change.removes, mirror.host.get(path)) {
        (Some(_), before) => now.as_ref().map(HostEntry::of) != before.copied(),
        // New on both sides. Two new directories can become one.
        (None, _) => now.is_some_and(|now| !(now.is_dir() && adds_directory(change))),
    })
}

fn adds_directory(change: &Change) -> bool {
    change.adds.is_some_and(|entry| entry.kind == Kind::Directory)
}

/// What is at `path` itself, not what a link there leads to.
fn metadata(path: &Path) -> Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(Some(meta)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Who may do what with the files of the folder, of which a volume knows nothing.
struct Modes<'a> {
    /// Where what the volume began with was.
    before: HashMap<Ino, &'a str>,
}

impl<'a> Modes<'a> {
    fn of(mirror: &'a Mirror) -> Self {
        let before = mirror.volume.iter().map(|(path, entry)| (entry.ino, path.as_str()));
        Self { before: before.collect() }
    }

    /// The mode of what is put at `path`: that of what it replaces, or else that which it had under another name.
    fn of_new(&self, mirror: &Mirror, path: &str, change: &Change) -> Result<Option<Permissions>> {
        let Some(entry) = change.adds else { return Ok(None) };
        for place in [Some(path), self.before.get(&entry.ino).copied()].into_iter().flatten() {
            let old = metadata(&mirror.folder.join(place))?;
            let same_kind = |old: &Metadata| match entry.kind {
                Kind::File => old.is_file(),
                Kind::Directory => old.is_dir(),
                Kind::Symlink => false,
            };
            if let Some(old) = old.filter(same_kind) {
                return Ok(Some(old.permissions()));
            }
        }
        Ok(None)
    }
}

/// Copies what is new from the volume, durably.
fn stage(
    volume: &mut Volume,
    staging: &Staging,
    index: usize,
    change: &Change,
    mode: Option<Permissions>,
) -> Result<()> {
    let Some(entry) = change.adds else { return Ok(()) };
    let place = staging.new_file(index);
    match entry.kind {
        Kind::Directory => Ok(()),
        Kind::Symlink => Ok(symlink(volume.read_link(entry.ino)?, place)?),
        Kind::File => stage_file(volume, entry.ino, &place, mode),
    }
}

fn stage_file(volume: &mut Volume, ino: Ino, place: &Path, mode: Option<Permissions>) -> Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(place)?;
    if let Some(mode) = mode {
        file.set_permissions(mode)?;
    }
    let copy = file.try_clone()?;
    copy_file(volume, ino, copy)?;
    Ok(file.sync_all()?)
}

/// Moves the old out of the way, innermost first, and the new into its place, outermost first.
fn put(mirror: &Mirror, staging: &Staging, planned: &[(&str, Change)], outcome: &mut Outcome) -> Result<()> {
    for (index, (path, change)) in planned.iter().enumerate().rev() {
        let place = mirror.folder.join(path);
        match change.removes {
            Some(Kind::Directory) => match fs::remove_dir(&place) {
                // Something in it was left alone.
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {
                    outcome.conflicts.push((*path).to_owned());
                }
                result => result.with_context(|| place.display().to_string())?,
            },
            Some(_) if replaces_file(change) => {
                // One step puts the new file in place of the old one, of which a second name is kept.
                keep_copy(&place, &staging.old_file(index)).with_context(|| place.display().to_string())?;
            }
            Some(_) => {
                fs::rename(&place, staging.old_file(index)).with_context(|| place.display().to_string())?;
            }
            None => {}
        }
    }
    for (index, (path, change)) in planned.iter().enumerate() {
        let place = mirror.folder.join(path);
        if is_below(path, &outcome.conflicts) || outcome.conflicts.iter().any(|one| one == path) {
            continue;
        }
        let put = match change.adds.map(|entry| entry.kind) {
            None => Ok(()),
            Some(Kind::Directory) => match fs::create_dir(&place) {
                Err(_) if place.is_dir() => Ok(()),
                result => result,
            },
            Some(_) => fs::rename(staging.new_file(index), &place),
        };
        put.with_context(|| place.display().to_string())?;
        outcome.changed += 1;
    }
    Ok(())
}

/// A second name for a file, or a copy where there can be none.
fn keep_copy(file: &Path, copy: &Path) -> std::io::Result<()> {
    fs::hard_link(file, copy).or_else(|_| fs::copy(file, copy).map(drop))
}

fn replaces_file(change: &Change) -> bool {
    change.removes == Some(Kind::File) && change.adds.is_some_and(|entry| entry.kind == Kind::File)
}
