//! Image files: creating, opening and checking them.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail, ensure};
use capos_volume::{
    BlockDevice, FileDevice, FormatOptions, MIN_DEVICE_BYTES, Mode, Options, Problem, Volume,
};

use crate::size::show_size;

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

pub(crate) fn options(mode: Mode) -> Options {
    Options {
        mode,
        meta_cache_bytes: 32 << 20,
        data_cache_bytes: 8 << 20,
        clock: Arc::new(now_ns),
        ..Options::default()
    }
}

/// Creates a file of `size` bytes with an empty volume.
pub(crate) fn create(path: &Path, size: u64, metadata: Option<u64>, force: bool) -> Result<()> {
    if size < MIN_DEVICE_BYTES {
        bail!("a volume needs at least {} MiB", MIN_DEVICE_BYTES >> 20);
    }
    if let Some(metadata) = metadata.filter(|metadata| *metadata > size / 4) {
        let (metadata, size) = (show_size(metadata), show_size(size));
        bail!("--metadata {metadata} exceeds a quarter of the size, {size}");
    }
    ensure!(!path.is_dir(), "{} is a folder; an image must be a file", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    ensure!(folder.is_dir(), "no folder {} for the image {}", folder.display(), path.display());
    let mut open = OpenOptions::new();
    open.read(true).write(true);
    let open = if force { open.create(true).truncate(false) } else { open.create_new(true) };
    let is_new = !path.exists();
    let file = open.open(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => anyhow!("{} already exists; --force replaces it", path.display()),
        _ => anyhow!(error).context(format!("cannot create {}", path.display())),
    })?;
    let made = fill(file, path, size, metadata);
    if made.is_err() && is_new {
        // The file is new, so remove it on failure.
        fs::remove_file(path).unwrap_or_default();
    }
    made
}

fn fill(file: File, path: &Path, size: u64, metadata: Option<u64>) -> Result<()> {
    // Before any existing content is destroyed: a running system may use it.
    lock(&file, path)?;
    // The file system may not support such large files; find out before any content is lost.
    file.set_len(size)
        .and_then(|()| file.set_len(0))
        .and_then(|()| file.set_len(size))
        .with_context(|| format!("cannot resize {} to {}", path.display(), show_size(size)))?;
    let device: Arc<dyn BlockDevice> = Arc::new(FileDevice::new(file)?);
    format(&device, metadata).with_context(|| format!("cannot create a volume in {}", path.display()))
}

/// Creates an empty volume on `device`.
pub(crate) fn format(device: &Arc<dyn BlockDevice>, metadata: Option<u64>) -> Result<()> {
    let id = getrandom::u64().context("cannot generate the volume's identity")?;
    Ok(Volume::format(device, FormatOptions { id, meta_bytes: metadata }, now_ns())?)
}

/// Locks the image for one process: two writers would destroy the volume, and a reader would see it change.
fn lock(file: &File, path: &Path) -> Result<()> {
    file.try_lock().with_context(|| format!("{} is in use", path.display()))
}

/// The content of a file that may be an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A volume that opens.
    Volume,
    /// Anything else, or nothing.
    Other,
    /// Unknown, because the file is in use.
    InUse,
}

/// Identifies the content of the file `path`, without changing it.
///
/// # Errors
/// If it cannot be read, or is a volume that does not open.
pub fn probe(path: &Path) -> Result<Content> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    if file.try_lock_shared().is_err() {
        return Ok(Content::InUse);
    }
    let device = FileDevice::new(file).with_context(|| path.display().to_string())?;
    if !Volume::is_on(&device) {
        return Ok(Content::Other);
    }
    open_on(device, path, Mode::ReadOnly).map(|_| Content::Volume)
}

fn open(path: &Path, mode: Mode) -> Result<Volume> {
    let file = OpenOptions::new().read(true).write(mode == Mode::ReadWrite).open(path);
    let file = file.with_context(|| format!("cannot open {}", path.display()))?;
    lock(&file, path)?;
    let device = FileDevice::new(file).with_context(|| path.display().to_string())?;
    ensure!(Volume::is_on(&device), "{} is not a capOS volume", path.display());
    open_on(device, path, mode)
}

fn open_on(device: FileDevice, path: &Path, mode: Mode) -> Result<Volume> {
    let (found, created) = (device.size_bytes(), Volume::stored_size_bytes(&device));
    if let Some(created) = created.filter(|created| *created > found) {
        bail!(
            "{} is cut off: the volume in it was created with {}, and the file has only {}",
            path.display(),
            show_size(created),
            show_size(found)
        );
    }
    Volume::open(Arc::new(device), options(mode))
        .with_context(|| format!("the volume in {} cannot be opened", path.display()))
}

/// Opens a volume without modifying its file.
pub(crate) fn open_to_read(path: &Path) -> Result<Volume> {
    open(path, Mode::ReadOnly)
}

/// Opens a volume for writing.
pub(crate) fn open_to_write(path: &Path) -> Result<Volume> {
    open(path, Mode::ReadWrite)
}

/// Checks a volume, prints the findings, and returns the number of problems.
pub(crate) fn check(volume: &mut Volume, to: &mut impl Write) -> Result<usize> {
    let report = volume.check().context("the check failed")?;
    for problem in &report.problems {
        match problem {
            Problem::BadBlock { ino, offset } => writeln!(to, "inode {ino}: bad block at byte {offset}"),
            Problem::LostPages(count) => writeln!(to, "metadata: {count} pages are damaged in both copies"),
            Problem::Inconsistent { ino, what } => writeln!(to, "inode {ino}: {what}"),
        }?;
    }
    let usage = volume.usage();
    writeln!(
        to,
        "{} inodes, {} of {} blocks in use, {} of {} bytes for metadata in use, {} metadata pages repaired, {} problems",
        report.inodes,
        report.blocks,
        usage.blocks,
        report.meta_bytes,
        report.meta_bytes_max,
        report.mended,
        report.problems.len(),
    )?;
    Ok(report.problems.len())
}
