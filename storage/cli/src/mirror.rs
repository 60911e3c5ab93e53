//! Copies a host folder into a volume and applies the volume's changes to the folder.

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

/// The state of a volume entry, such that any change to it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    ino: Ino,
    kind: Kind,
    changed_ns: u64,
    size: u64,
}

/// The state of a folder entry, such that any change to it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct HostEntry {
    ino: u64,
    size: u64,
    modified: (i64, i64),
}

impl HostEntry {
    fn of(meta: &Metadata) -> Self {
        // A directory's size and time reflect changes of its entries, which are recorded separately.
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
    /// Creates a volume of `size` bytes in the new file `path`, with a metadata area of `metadata` bytes or the default
    /// size, and copies the contents found by `source` into it.
    pub fn create(source: Source, path: &Path, size: u64, metadata: Option<u64>) -> Result<Self> {
        image::create(path, size, metadata, false)?;
        let mut volume = image::open_to_write(path)?;
        let unreadable = import::import_contents(&mut volume, &source, ROOT)?;
        let volume = volume_entries(&mut volume)?;
        let Source { folder, found, mut left_out, links } = source;
        left_out.extend(unreadable);
        // Their state before the copy, so that a change during the copy counts as one made afterwards.
        let host = found.into_iter().map(|(path, found)| (path, HostEntry::of(&found.meta))).collect();
        Ok(Self { folder, host, volume, left_out, links })
    }

    /// Applies the changes of the volume in `path` to the folder. A file that was changed or created in the
    /// folder too is left alone and reported in the [`Outcome`]. The folder is not touched until all new content
    /// has been copied; replaced and removed files are kept aside until everything is in place.
    pub fn bring_back(&self, path: &Path) -> Result<Outcome> {
        let mut volume = image::open_to_read(path)?;
        let after = volume_entries(&mut volume)?;
        let changes = difference::between(&self.volume, &after);
        apply::apply(self, &mut volume, &after, &changes)
    }

    /// The folder's path.
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
