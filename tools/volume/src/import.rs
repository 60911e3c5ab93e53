//! `import`: host files into a volume. If it fails, part of them may be there.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use capos_volume::{Error, Ino, Kind, MAX_WRITE_BYTES, ROOT, SetTime, Volume};

/// Host files with several names, by device and inode, and what they became.
type Linked = HashMap<(u64, u64), Ino>;

/// Copies `sources` into the directory `to` of the volume.
pub(crate) fn import(volume: &mut Volume, sources: &[PathBuf], to: &str) -> Result<()> {
    let dir = make_path(volume, to)?;
    let mut linked = Linked::new();
    for source in sources {
        let whole = source.canonicalize().with_context(|| source.display().to_string())?;
        let name = whole.file_name().with_context(|| format!("{} has no name", source.display()))?;
        let name = name.to_str().with_context(|| format!("{} is not UTF-8", source.display()))?.to_owned();
        copy(volume, &whole, dir, &name, &mut linked)?;
    }
    volume.sync().context("cannot make it durable")
}

/// Copies what is in `folder` into the directory `dir` of the volume.
pub(crate) fn import_contents(volume: &mut Volume, folder: &Path, dir: Ino) -> Result<()> {
    copy_entries(volume, folder, dir, &mut Linked::new())?;
    volume.sync().context("cannot make it durable")
}

fn copy_entries(volume: &mut Volume, folder: &Path, dir: Ino, linked: &mut Linked) -> Result<()> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect);
    let mut entries: Vec<_> = entries.with_context(|| folder.display().to_string())?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_str().with_context(|| format!("{:?} is not UTF-8", entry.path()))?;
        copy(volume, &entry.path(), dir, name, linked)?;
    }
    Ok(())
}

/// Makes the directories of a path that do not exist yet.
fn make_path(volume: &mut Volume, path: &str) -> Result<Ino> {
    let mut dir = ROOT;
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        dir = match volume.lookup(dir, part) {
            Ok(entry) if entry.kind == Kind::Directory => entry.ino,
            Ok(_) => bail!("{path}: {part} is not a directory"),
            Err(Error::NotFound) => volume.create_dir(dir, part).with_context(|| path.to_owned())?,
            Err(error) => return Err(error).with_context(|| path.to_owned()),
        };
    }
    Ok(dir)
}

fn copy(volume: &mut Volume, source: &Path, dir: Ino, name: &str, linked: &mut Linked) -> Result<()> {
    let about = || source.display().to_string();
    let meta = fs::symlink_metadata(source).with_context(about)?;
    let ino = if meta.is_dir() {
        let made = match volume.lookup(dir, name) {
            Ok(entry) if entry.kind == Kind::Directory => entry.ino,
            Ok(_) => bail!("{}: the volume has a file of this name", about()),
            Err(_) => volume.create_dir(dir, name).with_context(about)?,
        };
        copy_entries(volume, source, made, linked)?;
        made
    } else {
        match volume.unlink(dir, name) {
            Ok(()) | Err(Error::NotFound) => {}
            Err(error) => return Err(error).with_context(about),
        }
        if meta.is_symlink() {
            let target = fs::read_link(source).with_context(about)?;
            let target = target.to_str().with_context(|| format!("{}: its target is not UTF-8", about()))?;
            volume.create_symlink(dir, name, target).with_context(about)?
        } else if meta.is_file() {
            let host = (meta.dev(), meta.ino());
            if let Some(ino) = linked.get(&host) {
                return volume.link(*ino, dir, name).with_context(about);
            }
            let ino = copy_file(volume, source, dir, name).with_context(about)?;
            if meta.nlink() > 1 {
                linked.insert(host, ino);
            }
            ino
        } else {
            bail!("{}: neither file, folder nor symbolic link", about());
        }
    };
    let times = [time_ns(meta.atime(), meta.atime_nsec()), modified_ns(&meta)];
    volume.set_times(ino, SetTime::To(times[0]), SetTime::To(times[1])).with_context(about)
}

fn time_ns(seconds: i64, ns: i64) -> u64 {
    u64::try_from(i128::from(seconds) * 1_000_000_000 + i128::from(ns)).unwrap_or(0)
}

fn modified_ns(meta: &Metadata) -> u64 {
    time_ns(meta.mtime(), meta.mtime_nsec())
}

fn copy_file(volume: &mut Volume, source: &Path, dir: Ino, name: &str) -> Result<Ino> {
    let mut file = File::open(source)?;
    let ino = volume.create_file(dir, name)?;
    let mut buffer = vec![0; MAX_WRITE_BYTES];
    let mut offset = 0;
    loop {
        let count = file.read(&mut buffer)?;
        let mut rest = buffer.get(..count).unwrap_or_default();
        if rest.is_empty() {
            return Ok(ino);
        }
        while !rest.is_empty() {
            let written = volume.write(ino, offset, rest)?;
            offset += written as u64;
            rest = rest.get(written..).unwrap_or_default();
        }
    }
}
