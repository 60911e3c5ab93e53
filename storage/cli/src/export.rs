//! Copies from a volume to the host: holes stay holes, and hard links stay hard links.

use std::collections::HashMap;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use capos_volume::{Ino, Kind, Last, MAX_WRITE_BYTES, Namespace, Volume};

use crate::guest::rule;
use crate::list::{below_root, each};

/// The treatment of an existing destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// Kept, which is an error.
    Keep,
    /// Replaced once the copy is complete.
    Replace,
}

/// Copies the object at `path` to `target`.
pub(crate) fn export(volume: &mut Volume, path: &str, target: &Path, existing: Existing) -> Result<()> {
    let root = Namespace::root(volume)?;
    let inside = below_root(path).as_bytes();
    let stat = root.stat(volume, inside, Last::Follow).map_err(rule).with_context(|| path.to_owned())?;
    if target.symlink_metadata().is_err() {
        return copy(volume, stat.ino, stat.kind, target, &mut Linked::new());
    }
    if existing == Existing::Keep {
        bail!("{} already exists; --force replaces it", target.display());
    }
    let (Some(folder), Some(name)) = (target.parent(), target.file_name()) else {
        bail!("{} cannot be replaced", target.display());
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    // In the same file system, so that both can be renamed into place.
    let place = tempfile::Builder::new().prefix(".capos-").tempdir_in(folder);
    let place = place.with_context(|| folder.display().to_string())?;
    let (made, old) = (place.path().join("new"), place.path().join("old"));
    copy(volume, stat.ino, stat.kind, &made, &mut Linked::new())?;
    let target = folder.join(name);
    fs::rename(&target, &old).with_context(|| target.display().to_string())?;
    if let Err(error) = fs::rename(&made, &target) {
        fs::rename(&old, &target).with_context(|| target.display().to_string())?;
        return Err(error).with_context(|| target.display().to_string());
    }
    place.close().with_context(|| format!("removing what was at {}", target.display()))
}

/// Files with several names, and the destination of the first.
type Linked = HashMap<Ino, PathBuf>;

fn copy(volume: &mut Volume, ino: Ino, kind: Kind, target: &Path, linked: &mut Linked) -> Result<()> {
    let about = || target.display().to_string();
    match kind {
        Kind::Directory => {
            fs::create_dir(target).with_context(about)?;
            each(volume, ino, |volume, name, ino, kind| {
                // Names of a volume contain no slash and are not `..`, or it would not open them; but since
                // this writes to the host, check again.
                if name.contains('/') || matches!(name, "" | "." | "..") {
                    bail!("{}: invalid entry name {name:?}", about());
                }
                copy(volume, ino, kind, &target.join(name), linked)
            })
        }
        Kind::Symlink => std::os::unix::fs::symlink(volume.read_link(ino)?, target).with_context(about),
        Kind::File => {
            if let Some(first) = linked.get(&ino) {
                return fs::hard_link(first, target).with_context(about);
            }
            if volume.stat(ino).with_context(about)?.links > 1 {
                linked.insert(ino, target.to_owned());
            }
            let mut open = OpenOptions::new();
            let file = open.write(true).create_new(true).open(target).with_context(about)?;
            copy_file(volume, ino, &file).with_context(about)
        }
    }
}

/// Copies the content and the times of a file to `file`, which is empty.
pub(crate) fn copy_file(volume: &mut Volume, ino: Ino, file: &File) -> Result<()> {
    let stat = volume.stat(ino)?;
    file.set_len(stat.size)?;
    let mut buffer = vec![0; MAX_WRITE_BYTES.min(usize::try_from(stat.size)?)];
    let mut offset = 0;
    while let Some(data) = volume.next_data(ino, offset)? {
        offset = data.start;
        while offset < data.end {
            let wanted = usize::try_from(data.end - offset)?.min(buffer.len());
            let Some(part) = buffer.get_mut(..wanted) else { break };
            let count = volume.read(ino, offset, part)?;
            let Some(part) = part.get(..count).filter(|part| !part.is_empty()) else {
                bail!("the file is shorter than its blocks");
            };
            file.write_all_at(part, offset)?;
            offset += count as u64;
        }
    }
    let times = FileTimes::new().set_accessed(time(stat.accessed_ns)).set_modified(time(stat.modified_ns));
    Ok(file.set_times(times)?)
}

/// A volume's time stamp as a host time.
pub(crate) fn time(ns: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(ns)
}
