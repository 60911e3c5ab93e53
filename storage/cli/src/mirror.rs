//! A host folder as a volume and back: what a program did to the volume is done to the folder.

mod apply;
mod difference;
mod put;
mod stage;
mod step;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context, Result};
use capos_volume::{Ino, Kind, ROOT, Volume};

pub use step::Outcome;

use crate::host::HostFolder;
use crate::links::Links;
use crate::list::{check_depth, each};
use crate::source::{LeftOut, Source};
use crate::{image, import};

/// The state of an entry of a volume, so that any change to it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    ino: Ino,
    kind: Kind,
    changed_ns: u64,
    size: u64,
}

/// The state of an entry of the folder, likewise.
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
    folder: HostFolder,
    host: BTreeMap<String, HostEntry>,
    volume: BTreeMap<String, Entry>,
    left_out: Vec<LeftOut>,
    links: Links,
}

impl Mirror {
    /// Makes a volume of `size` bytes in the new file `path`, with so many for `metadata` or as many as usual, and copies what
    /// `source` found into it.
    pub fn create(source: Source, path: &Path, size: u64, metadata: Option<u64>) -> Result<Self> {
        image::create(path, size, metadata, false)?;
        let mut volume = image::open_to_write(path)?;
        let unreadable = import::import_contents(&mut volume, &source, ROOT)?;
        let volume = volume_entries(&mut volume)?;
        let Source { folder, found, mut left_out, links } = source;
        left_out.extend(unreadable);
        // As they were before copying, so that a change in the middle of it is taken for one of the time after.
        let host = found.into_iter().map(|(path, found)| (path, HostEntry::of(&found.meta))).collect();
        Ok(Self { folder, host, volume, left_out, links })
    }

    /// Does to the folder what was done to the volume in `path`. A file that was changed in the folder too, or is
    /// new there, is left alone and named in the [`Outcome`]. Until everything new has been copied the folder is
    /// not touched; what is replaced or removed is kept beside until everything is in its place.
    pub fn bring_back(&self, path: &Path) -> Result<Outcome> {
        let mut volume = image::open_to_read(path)?;
        let after = volume_entries(&mut volume)?;
        let changes = difference::between(&self.volume, &after);
        apply::apply(self, &mut volume, &after, &changes)
    }

    /// Where the folder is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The entries of the folder that were not copied.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    fn left_out_paths(&self) -> BTreeSet<&str> {
        self.left_out.iter().map(|left| left.path.as_str()).collect()
    }
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
