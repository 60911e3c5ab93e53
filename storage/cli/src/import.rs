//! Copies host files into a volume: holes stay holes, and hard links stay hard links.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use capos_volume::{Error, Ino, Kind, MAX_TARGET_BYTES, MAX_WRITE_BYTES, ROOT, SetTime, Volume};
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use crate::guest::rule;
use crate::host::is_absent;
use crate::links::Links;
use crate::source::{Found, LeftOut, Source};

/// Copies `sources` into the directory `to` of the volume, durably. Entries that a volume cannot hold or that cannot be
/// read are left out, and returned with their host paths. If it fails, part of the sources may have been copied.
pub(crate) fn import(volume: &mut Volume, sources: &[PathBuf], to: &str) -> Result<Vec<LeftOut>> {
    import_all(volume, sources, to).map_err(|error| match error.downcast_ref() {
        Some(Error::NoSpace) if volume.is_full_of_names() => error
            .context("no space for more names; `capos volume create --metadata` makes a volume with more"),
        Some(Error::NoSpace) => {
            error.context("no space for more data; `capos volume create --size` makes a larger volume")
        }
        _ => error,
    })
}

fn import_all(volume: &mut Volume, sources: &[PathBuf], to: &str) -> Result<Vec<LeftOut>> {
    let mut given = Vec::new();
    for source in sources {
        // Before anything is copied.
        given.push((source, source.canonicalize().with_context(|| source.display().to_string())?));
    }
    let mut left_out = Vec::new();
    let dir = make_path(volume, to)?;
    for (source, whole) in given {
        let name = whole.file_name().with_context(|| {
            format!("{} has no file name; name the files in it instead", source.display())
        })?;
        let Some(name) = name.to_str() else {
            let reason = "its name is not UTF-8".to_owned();
            left_out.push(LeftOut { path: source.display().to_string(), reason });
            continue;
        };
        if whole.is_dir() {
            let content = Source::scan(&whole, Links::Keep)?;
            let made = directory(volume, dir, name).with_context(|| source.display().to_string())?;
            let inside = copy(volume, &content, made)?.into_iter().chain(content.left_out);
            left_out.extend(inside.map(|LeftOut { path, reason }| LeftOut {
                path: source.join(path).display().to_string(),
                reason,
            }));
        } else {
            import_file(volume, &whole, dir, name).with_context(|| source.display().to_string())?;
        }
    }
    volume.sync().context("cannot sync the volume")?;
    Ok(left_out)
}

fn import_file(volume: &mut Volume, path: &Path, dir: Ino, name: &str) -> Result<()> {
    let meta = path.metadata()?;
    ensure!(meta.is_file(), "not a file, folder or symbolic link");
    let file = File::open(path)?;
    replace(volume, dir, name)?;
    let ino = volume.create_file(dir, name)?;
    copy_data(volume, &file, ino)?;
    set_times(volume, ino, &meta)
}

/// Copies the content of `source` into the directory `dir` of the volume, durably. Returns the unreadable entries,
/// which are not copied.
pub(crate) fn import_contents(volume: &mut Volume, source: &Source, dir: Ino) -> Result<Vec<LeftOut>> {
    let left_out = copy(volume, source, dir)?;
    volume.sync().context("cannot sync the volume")?;
    Ok(left_out)
}

/// Creates the missing directories of a path.
fn make_path(volume: &mut Volume, path: &str) -> Result<Ino> {
    let mut dir = ROOT;
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        ensure!(part != "..", "--to {path}: the path starts at the volume's root and must not contain `..`");
        dir = directory(volume, dir, part).with_context(|| format!("--to {path}"))?;
    }
    Ok(dir)
}

/// The directory `name`, created if it does not exist.
fn directory(volume: &mut Volume, dir: Ino, name: &str) -> Result<Ino> {
    match volume.lookup(dir, name) {
        Ok(entry) if entry.kind == Kind::Directory => Ok(entry.ino),
        Ok(_) => bail!("{name} already exists in the volume and is not a directory"),
        Err(Error::NotFound) => Ok(volume.create_dir(dir, name)?),
        Err(error) => Err(rule(error)),
    }
}

/// Removes an existing file so that a new one of that name can be created.
fn replace(volume: &mut Volume, dir: Ino, name: &str) -> Result<()> {
    match volume.unlink(dir, name) {
        Ok(()) | Err(Error::NotFound) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The copies so far: directories by path, hard-linked files by device and inode.
struct Copied<'a> {
    directories: HashMap<&'a str, Ino>,
    linked: HashMap<(u64, u64), Ino>,
    left_out: Vec<LeftOut>,
}

fn copy(volume: &mut Volume, source: &Source, dir: Ino) -> Result<Vec<LeftOut>> {
    let mut copied =
        Copied { directories: HashMap::from([("", dir)]), linked: HashMap::new(), left_out: Vec::new() };
    for (path, found) in &source.found {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        // Entries below a directory that was left out are left out too.
        let Some(&parent) = copied.directories.get(parent) else { continue };
        let about = || source.folder.path().join(path).display().to_string();
        copy_one(volume, source, parent, (path, name), found, &mut copied).with_context(about)?;
    }
    // Last: creating entries in a directory changes its times.
    for (path, ino) in &copied.directories {
        if let Some(found) = source.found.get(*path) {
            set_times(volume, *ino, &found.meta).with_context(|| (*path).to_owned())?;
        }
    }
    Ok(copied.left_out)
}

fn copy_one<'a>(
    volume: &mut Volume,
    source: &Source,
    dir: Ino,
    (path, name): (&'a str, &str),
    found: &Found,
    copied: &mut Copied<'a>,
) -> Result<()> {
    let meta = &found.meta;
    if meta.is_dir() {
        let made = directory(volume, dir, name)?;
        copied.directories.insert(path, made);
        return Ok(());
    }
    replace(volume, dir, name)?;
    let leave =
        |reason: &dyn std::fmt::Display| LeftOut { path: path.to_owned(), reason: reason.to_string() };
    if let Some(target) = &found.target {
        if target.len() > MAX_TARGET_BYTES {
            copied.left_out.push(leave(&"the target of the symbolic link is too long"));
            return Ok(());
        }
        let ino = volume.create_symlink(dir, name, target)?;
        return set_times(volume, ino, meta);
    }
    let host = (meta.dev(), meta.ino());
    if let Some(ino) = copied.linked.get(&host) {
        return Ok(volume.link(*ino, dir, name)?);
    }
    let file = match source.folder.read(path) {
        Ok(file) => file,
        // Removed since the folder was scanned.
        Err(error) if is_absent(&error) => return Ok(()),
        Err(error) => {
            copied.left_out.push(leave(&error));
            return Ok(());
        }
    };
    let ino = volume.create_file(dir, name)?;
    copy_data(volume, &file, ino)?;
    if meta.nlink() > 1 {
        copied.linked.insert(host, ino);
    }
    set_times(volume, ino, meta)
}

fn set_times(volume: &mut Volume, ino: Ino, meta: &Metadata) -> Result<()> {
    let ns = |seconds: i64, ns: i64| {
        u64::try_from(i128::from(seconds) * 1_000_000_000 + i128::from(ns)).unwrap_or(0)
    };
    let (accessed, modified) = (ns(meta.atime(), meta.atime_nsec()), ns(meta.mtime(), meta.mtime_nsec()));
    Ok(volume.set_times(ino, SetTime::To(accessed), SetTime::To(modified))?)
}

/// Copies the current content of `file`, without its holes.
fn copy_data(volume: &mut Volume, file: &File, ino: Ino) -> Result<()> {
    let meta = file.metadata()?;
    ensure!(meta.is_file(), "is no longer a file");
    let size = meta.len();
    let mut buffer = vec![0; MAX_WRITE_BYTES.min(usize::try_from(size)?)];
    let mut offset = 0;
    while let Some(data) = next_data(file, offset, size)? {
        offset = data.start;
        while offset < data.end {
            let wanted = usize::try_from(data.end - offset)?.min(buffer.len());
            let Some(part) = buffer.get_mut(..wanted) else { break };
            let count = read_at(file, part, offset)?;
            let mut rest = part.get(..count).unwrap_or_default();
            if rest.is_empty() {
                // It was truncated meanwhile.
                return Ok(());
            }
            while !rest.is_empty() {
                let written = volume.write(ino, offset, rest)?;
                offset += written as u64;
                rest = rest.get(written..).unwrap_or_default();
            }
        }
    }
    // The rest of the file is a hole.
    if volume.size(ino)? < size {
        volume.set_size(ino, size)?;
    }
    Ok(())
}

fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// The next data of `file` from `offset` on. A file system without holes reports everything as data.
fn next_data(file: &File, offset: u64, size: u64) -> io::Result<Option<Range<u64>>> {
    if offset >= size {
        return Ok(None);
    }
    let start = match seek(file, SeekFrom::Data(offset)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return Ok(None),
        Err(Errno::INVAL | Errno::OPNOTSUPP) => offset,
        Err(error) => return Err(error.into()),
    };
    let end = seek(file, SeekFrom::Hole(start)).unwrap_or(size).min(size);
    Ok((start < end).then_some(start..end))
}
