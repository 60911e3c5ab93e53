//! Applies a volume's changes to a folder, such that a file is never partly written or lost.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{Metadata, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context, Result, bail, ensure};
use capos_volume::{Ino, Kind, Volume};

use super::difference::Change;
use super::put::Put;
use super::stage::Staging;
use super::step::{Outcome, Step, is_below};
use super::{Entry, HostEntry, Mirror};
use crate::links::{Links, Through, leads_out};
use crate::source::LeftOut;

pub(super) fn apply(
    mirror: &Mirror,
    volume: &mut Volume,
    after: &BTreeMap<String, Entry>,
    changes: &BTreeMap<String, Change>,
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let steps = plan(mirror, volume, after, changes, &mut outcome)?;
    if steps.is_empty() {
        return Ok(outcome);
    }
    check_room(mirror, volume, &steps)?;
    let staging = Staging::create(&mirror.folder)?;
    if let Err(error) = staging.fill(volume, &steps) {
        staging.remove()?;
        return Err(error);
    }
    let put = Put { mirror, staging: &staging, steps: &steps }.all(volume, &mut outcome);
    match put {
        Ok(()) => staging.remove().map(|()| outcome),
        // From here on the staging folder may hold the only copy of a file.
        Err(error) => {
            Err(error.context(format!("interrupted; the previous files are in {}", staging.shown())))
        }
    }
}

/// The changes to make, without those that are left out.
fn plan<'a>(
    mirror: &Mirror,
    volume: &mut Volume,
    after: &BTreeMap<String, Entry>,
    changes: &'a BTreeMap<String, Change>,
    outcome: &mut Outcome,
) -> Result<Vec<Step<'a>>> {
    let modes = Modes::of(mirror);
    let mut steps = Vec::new();
    for (path, change) in changes {
        check_path(path)?;
        if is_below(path, &outcome.conflicts) || conflicts(mirror, path, change)? {
            outcome.conflicts.push(path.clone());
        } else if let Some(target) = outward(mirror, volume, after, path, change)? {
            let reason = format!("a symbolic link that leads out, to {target}");
            outcome.left_out.push(LeftOut { path: path.clone(), reason });
        } else if is_protected(mirror, path, change)? {
            let reason = "its file may not be written, and is left as it was".to_owned();
            outcome.left_out.push(LeftOut { path: path.clone(), reason });
        } else {
            steps.push(Step { path, change: *change, mode: modes.of_new(mirror, path, change)? });
        }
    }
    Ok(steps)
}

/// Whether the program changed, in place, a file that its user may not write. To replace or remove it, it is enough to be
/// allowed to write the folder that it is in.
fn is_protected(mirror: &Mirror, path: &str, change: &Change) -> Result<bool> {
    let before = mirror.volume.get(path).filter(|before| before.kind == Kind::File);
    let in_place = matches!((before, change.adds), (Some(before), Some(after)) if before.ino == after.ino);
    if !in_place {
        return Ok(false);
    }
    mirror.folder.is_protected(path).with_context(|| mirror.folder().join(path).display().to_string())
}

/// The target of the symbolic link to be created at `path`, if it leads out of the folder.
fn outward(
    mirror: &Mirror,
    volume: &mut Volume,
    after: &BTreeMap<String, Entry>,
    path: &str,
    change: &Change,
) -> Result<Option<String>> {
    let Some(entry) = change.adds.filter(|entry| entry.kind == Kind::Symlink) else { return Ok(None) };
    if mirror.links == Links::Keep {
        return Ok(None);
    }
    let target = volume.read_link(entry.ino).with_context(|| path.to_owned())?;
    let left_out = mirror.left_out_paths();
    let out = leads_out(path, &target, &mut |at| {
        if left_out.contains(at) {
            return Some(Through::Out);
        }
        let entry = after.get(at).filter(|entry| entry.kind == Kind::Symlink)?;
        // An unreadable link cannot be created either.
        Some(volume.read_link(entry.ino).map_or(Through::Out, Through::To))
    });
    Ok(out.then_some(target))
}

/// Rejects changes that would fill the folder's file system, before anything is copied.
fn check_room(mirror: &Mirror, volume: &mut Volume, steps: &[Step<'_>]) -> Result<()> {
    let mut counted = HashSet::new();
    let mut needed = 0u64;
    for entry in steps.iter().filter_map(|step| step.change.adds) {
        if entry.kind == Kind::File && counted.insert(entry.ino) {
            needed = needed.saturating_add(volume.stat(entry.ino)?.stored_bytes);
        }
    }
    let root = mirror.folder.directory("").with_context(|| mirror.folder().display().to_string())?;
    // If the file system does not report its free space, copying will show.
    let Ok(stat) = rustix::fs::fstatvfs(&root) else { return Ok(()) };
    room(needed, stat.f_bavail.saturating_mul(stat.f_frsize))
}

pub(super) fn room(needed: u64, free: u64) -> Result<()> {
    ensure!(
        needed <= free,
        "the changes need {needed} bytes, and its file system has {free} free; nothing was changed"
    );
    Ok(())
}

/// Names of a volume contain no slash and are not `..`, or it would not open them; but since this writes to the
/// host, check again.
fn check_path(path: &str) -> Result<()> {
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) || path.contains('\0') {
        bail!("invalid entry path {path:?}");
    }
    Ok(())
}

/// Whether the folder itself has changed at `path`.
fn conflicts(mirror: &Mirror, path: &str, change: &Change) -> Result<bool> {
    let now = look(mirror, path)?;
    Ok(match (&change.removes, mirror.host.get(path)) {
        (Some(_), before) => now.as_ref().map(HostEntry::of) != before.copied(),
        // Created on both sides. Two new directories can be merged.
        (None, _) => now.is_some_and(|now| !(now.is_dir() && adds_directory(change))),
    })
}

fn adds_directory(change: &Change) -> bool {
    change.adds.is_some_and(|entry| entry.kind == Kind::Directory)
}

fn look(mirror: &Mirror, path: &str) -> Result<Option<Metadata>> {
    mirror.folder.look(path).with_context(|| mirror.folder().join(path).display().to_string())
}

/// The mode bits that are brought back: a program must not create setuid or setgid files.
const PERMISSIONS: u32 = 0o777;

/// The permissions of the folder's files, which a volume does not store.
struct Modes<'a> {
    /// The original paths of the volume's initial inodes.
    before: HashMap<Ino, &'a str>,
}

impl<'a> Modes<'a> {
    fn of(mirror: &'a Mirror) -> Self {
        let before = mirror.volume.iter().map(|(path, entry)| (entry.ino, path.as_str()));
        Self { before: before.collect() }
    }

    /// The mode of the entry at `path`: that of the entry it replaces, or else the one it had under its old name.
    fn of_new(&self, mirror: &Mirror, path: &str, change: &Change) -> Result<Option<Permissions>> {
        let Some(entry) = change.adds else { return Ok(None) };
        for place in [Some(path), self.before.get(&entry.ino).copied()].into_iter().flatten() {
            let same_kind = |old: &Metadata| match entry.kind {
                Kind::File => old.is_file(),
                Kind::Directory => old.is_dir(),
                Kind::Symlink => false,
            };
            if let Some(old) = look(mirror, place)?.filter(same_kind) {
                return Ok(Some(Permissions::from_mode(old.permissions().mode() & PERMISSIONS)));
            }
        }
        Ok(None)
    }
}
