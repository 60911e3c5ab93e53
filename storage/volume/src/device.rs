//! Block devices, the storage of volumes.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Unit of addressing on a device, in bytes.
pub const SECTOR: usize = 512;

/// A disk. Offsets and lengths are multiples of [`SECTOR`].
///
/// Writes may reach the medium in any order, and may be torn between sectors, until a later `flush` has
/// returned: a volume relies on nothing more.
pub trait BlockDevice: fmt::Debug + Send + Sync + 'static {
    /// Its size.
    fn size_bytes(&self) -> u64;
    /// Fills `out` from `offset`. A range past the end is an error.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    /// Writes `data` at `offset`. A range past the end is an error.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// Returns when every earlier write is on the medium.
    fn flush(&self) -> io::Result<()>;
}

fn past_end() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "past the end of the device")
}

/// A device in memory. If the system allocates zeroed memory page by page, as most do, unwritten parts take no
/// memory.
pub struct MemDevice {
    bytes: RwLock<Vec<u8>>,
}

impl MemDevice {
    /// A device of `size_bytes` zeros, rounded down to whole sectors.
    ///
    /// # Panics
    /// If there is no address space for it.
    pub fn new(size_bytes: u64) -> Self {
        let size = usize::try_from(size_bytes - size_bytes % SECTOR as u64).unwrap_or(usize::MAX);
        Self { bytes: RwLock::new(vec![0; size]) }
    }

    /// Like [`new`](Self::new), but returns an error if there is no address space for it.
    pub fn try_new(size_bytes: u64) -> io::Result<Self> {
        let size = usize::try_from(size_bytes).map_err(|_| io::ErrorKind::OutOfMemory)?;
        // `Vec` has no fallible way to allocate zeroed memory, so a probe allocation comes first.
        Vec::<u8>::new().try_reserve_exact(size)?;
        Ok(Self::new(size_bytes))
    }

    /// A device that is initialised with a copy of `image`.
    pub fn from_image(image: &[u8]) -> Self {
        let whole = image.len() - image.len() % SECTOR;
        Self { bytes: RwLock::new(image.get(..whole).unwrap_or_default().to_vec()) }
    }
}

/// The index range of `offset..offset + len` in a device of `size` bytes.
fn range(size: usize, offset: u64, len: usize) -> io::Result<std::ops::Range<usize>> {
    let start = usize::try_from(offset).map_err(|_| past_end())?;
    let end = start.checked_add(len).filter(|end| *end <= size).ok_or_else(past_end)?;
    Ok(start..end)
}

impl fmt::Debug for MemDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemDevice").field("size_bytes", &self.size_bytes()).finish_non_exhaustive()
    }
}

impl BlockDevice for MemDevice {
    fn size_bytes(&self) -> u64 {
        self.bytes.read().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.bytes.read().unwrap_or_else(PoisonError::into_inner);
        out.copy_from_slice(&bytes[range(bytes.len(), offset, out.len())?]);
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut bytes = self.bytes.write().unwrap_or_else(PoisonError::into_inner);
        let range = range(bytes.len(), offset, data.len())?;
        bytes[range].copy_from_slice(data);
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A read-only image in memory, used in place.
pub struct ImageDevice(&'static [u8]);

impl ImageDevice {
    /// The device for `image`, rounded down to whole sectors.
    pub fn new(image: &'static [u8]) -> Self {
        let whole = image.len() - image.len() % SECTOR;
        Self(image.get(..whole).unwrap_or_default())
    }
}

impl fmt::Debug for ImageDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageDevice").field("size_bytes", &self.0.len()).finish_non_exhaustive()
    }
}

impl BlockDevice for ImageDevice {
    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        out.copy_from_slice(&self.0[range(self.0.len(), offset, out.len())?]);
        Ok(())
    }

    fn write_at(&self, _offset: u64, _data: &[u8]) -> io::Result<()> {
        Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem))
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A device in a host file of fixed size. Only on Unix does `std` have positioned reads and writes.
#[cfg(unix)]
#[derive(Debug)]
pub struct FileDevice {
    file: std::fs::File,
    size_bytes: u64,
}

#[cfg(unix)]
impl FileDevice {
    /// Takes over an open file; its current length is the size of the device.
    pub fn new(file: std::fs::File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self { file, size_bytes: len - len % SECTOR as u64 })
    }
}

#[cfg(unix)]
impl Drop for FileDevice {
    /// Releases a lock on the file. Closing it would not suffice: a child process that is being started meanwhile shares
    /// the open file, and with it the lock, until exec.
    fn drop(&mut self) {
        // Has no effect without a lock.
        self.file.unlock().unwrap_or_default();
    }
}

#[cfg(unix)]
impl BlockDevice for FileDevice {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, out, offset)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        match offset.checked_add(data.len() as u64) {
            Some(end) if end <= self.size_bytes => {
                std::os::unix::fs::FileExt::write_all_at(&self.file, data, offset)
            }
            _ => Err(past_end()),
        }
    }

    fn flush(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// A read-only medium made writable in memory, so that an interrupted volume can be recovered and read
/// without modifying the medium. Only the blocks that recovery writes are kept in memory.
#[derive(Debug)]
pub(crate) struct Overlay {
    below: Arc<dyn BlockDevice>,
    changed: Mutex<HashMap<u64, [u8; SECTOR]>>,
}

impl Overlay {
    pub(crate) fn new(below: Arc<dyn BlockDevice>) -> Self {
        Self { below, changed: Mutex::default() }
    }
}

impl BlockDevice for Overlay {
    fn size_bytes(&self) -> u64 {
        self.below.size_bytes()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.below.read_at(offset, out)?;
        let changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        if changed.is_empty() {
            return Ok(());
        }
        for (sector, chunk) in (offset / SECTOR as u64..).zip(out.chunks_exact_mut(SECTOR)) {
            if let Some(data) = changed.get(&sector) {
                chunk.copy_from_slice(data);
            }
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if offset.checked_add(data.len() as u64).is_none_or(|end| end > self.size_bytes()) {
            return Err(past_end());
        }
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        for (sector, chunk) in (offset / SECTOR as u64..).zip(data.as_chunks::<SECTOR>().0) {
            changed.insert(sector, *chunk);
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}
