//! A host folder as a volume and back: what a program did to the volume is done to the folder.

mod apply;
mod difference;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use capos_volume::{Ino, Kind, ROOT, Volume};

pub use apply::Outcome;

use crate::list::{check_depth, each};
use crate::need::Need;
use crate::{image, import};

/// What an entry of a volume is, so that any change to it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    ino: Ino,
    kind: Kind,
    changed_ns: u64,
    size: u64,
}

/// What an entry of the folder is, likewise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct HostEntry {
    ino: u64,
    size: u64,
    modified: (i64, i64),
}

impl HostEntry {
    fn of(meta: &Metadata) -> Self {
        // A directory's size and time say what happened to its entries, which have their own.
        let (size, modified) =
            if meta.is_dir() { (0, (0, 0)) } else { (meta.size(), (meta.mtime(), meta.mtime_nsec())) };
        Self { ino: meta.ino(), size, modified }
    }
}

/// A folder that was copied into a volume. Paths are relative to it and to the volume's root.
#[derive(Debug)]
pub struct Mirror {
    folder: PathBuf,
    host: BTreeMap<String, HostEntry>,
    volume: BTreeMap<String, Entry>,
}

impl Mirror {
    /// Makes a volume of `size` bytes in the new file `path` and copies what is in `folder` into it.
    pub fn create(folder: &Path, path: &Path, size: u64) -> Result<Self> {
        let folder = folder.canonicalize().with_context(|| folder.display().to_string())?;
        // Before copying, so that a change in the middle of it is taken for one of the time after.
        let host = host_entries(&folder)?;
        image::create(path, size, None, false)?;
        let mut volume = image::open_to_write(path)?;
        import::import_contents(&mut volume, &folder, ROOT)?;
        let volume = volume_entries(&mut volume)?;
        Ok(Self { folder, host, volume })
    }

    /// Does to the folder what was done to the volume in `path`. A file that was changed in the folder too, or is
    /// new there, is left alone and named in the [`Outcome`]. Until everything new has been copied the folder is
    /// not touched; what is replaced or removed is kept beside until everything is in its place.
    pub fn bring_back(&self, path: &Path) -> Result<Outcome> {
        let mut volume = image::open_to_read(path)?;
        let after = volume_entries(&mut volume)?;
        let changes = difference::between(&self.volume, &after);
        apply::apply(self, &mut volume, &changes)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// A size for [`Mirror::create`] with room for what is in `folder`, and its data so many times.
pub fn mirror_bytes(folder: &Path, times: u64) -> Result<u64> {
    Ok(Need::of(folder)?.roomy_device_bytes(times))
}

fn host_entries(folder: &Path) -> Result<BTreeMap<String, HostEntry>> {
    let mut entries = BTreeMap::new();
    walk_host(folder, "", &mut entries)?;
    Ok(entries)
}

fn walk_host(folder: &Path, prefix: &str, entries: &mut BTreeMap<String, HostEntry>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry.with_context(|| folder.display().to_string())?;
        let name = entry.file_name();
        let name = name.to_str().with_context(|| format!("{:?} is not UTF-8", entry.path()))?;
        let meta = entry.metadata().with_context(|| entry.path().display().to_string())?;
        let path = format!("{prefix}{name}");
        if meta.is_dir() {
            walk_host(&entry.path(), &format!("{path}/"), entries)?;
        }
        entries.insert(path, HostEntry::of(&meta));
    }
    Ok(())
}

fn volume_entries(volume: &mut Volume) -> Result<BTreeMap<String, Entry>> {
    let mut entries = BTreeMap::new();
    walk_volume(volume, ROOT, "", &mut entries)?;
    Ok(entries)
}

fn walk_volume(
    volume: &mut Volume,
    dir: Ino,
    prefix: &str,
    entries: &mut BTreeMap<String, Entry>,
) -> Result<()> {
    each(volume, dir, |volume, name, ino, kind| {
        let path = format!("{prefix}{name}");
        check_depth(&path)?;
        let stat = volume.stat(ino).with_context(|| path.clone())?;
        if kind == Kind::Directory {
            walk_volume(volume, ino, &format!("{path}/"), entries)?;
        }
        entries.insert(path, Entry { ino, kind, changed_ns: stat.changed_ns, size: stat.size });
        Ok(())
    })
}
