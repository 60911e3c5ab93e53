//! Where a volume lives: anything that reads, writes and flushes sectors.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The unit in which a device is addressed, in bytes.
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
    /// Returns when everything written before is on the medium.
    fn flush(&self) -> io::Result<()>;
}

fn past_end() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "past the end of the device")
}

/// A device in memory: a RAM volume. Pages that were never written take no memory.
pub struct MemDevice {
    size_bytes: u64,
    pages: RwLock<HashMap<u64, Box<[u8]>>>,
}

const MEM_PAGE: usize = 4096;

impl MemDevice {
    /// A device of `size_bytes` zeros, rounded down to whole sectors.
    pub fn new(size_bytes: u64) -> Self {
        Self { size_bytes: size_bytes - size_bytes % SECTOR as u64, pages: RwLock::default() }
    }

    /// A device that begins as a copy of `image`.
    pub fn from_image(image: &[u8]) -> Self {
        let device = Self::new(image.len() as u64);
        let whole = image.len() - image.len() % SECTOR;
        if let Some(sectors) = image.get(..whole) {
            device.store(0, sectors);
        }
        device
    }

    fn check(&self, offset: u64, len: usize) -> io::Result<()> {
        let end = offset.checked_add(len as u64).ok_or_else(past_end)?;
        if end > self.size_bytes { Err(past_end()) } else { Ok(()) }
    }

    fn store(&self, offset: u64, data: &[u8]) {
        let mut pages = self.pages.write().unwrap_or_else(PoisonError::into_inner);
        for (page, start, part) in spans(offset, data.len()) {
            let target = pages.entry(page).or_insert_with(|| vec![0; MEM_PAGE].into());
            target[start..start + part.len()].copy_from_slice(&data[part]);
        }
    }
}

/// Cuts a byte range into (page, start in page, range in buffer).
fn spans(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let at = offset + done as u64;
        let start = (at % MEM_PAGE as u64) as usize;
        let part = done..len.min(done + MEM_PAGE - start);
        done = part.end;
        Some((at / MEM_PAGE as u64, start, part))
    })
}

impl fmt::Debug for MemDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemDevice").field("size_bytes", &self.size_bytes).finish_non_exhaustive()
    }
}

impl BlockDevice for MemDevice {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.check(offset, out.len())?;
        let pages = self.pages.read().unwrap_or_else(PoisonError::into_inner);
        for (page, start, part) in spans(offset, out.len()) {
            match pages.get(&page) {
                Some(data) => {
                    let end = start + part.len();
                    out[part].copy_from_slice(&data[start..end]);
                }
                None => out[part].fill(0),
            }
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check(offset, data.len())?;
        self.store(offset, data);
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A device in a file of the host, of fixed size. Only Unix has positioned reads and writes in `std`.
#[cfg(unix)]
#[derive(Debug)]
pub struct FileDevice {
    file: std::fs::File,
    size_bytes: u64,
}

#[cfg(unix)]
impl FileDevice {
    /// Takes over an open file; its present length is the size of the device.
    pub fn new(file: std::fs::File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self { file, size_bytes: len - len % SECTOR as u64 })
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

/// A read-only medium made writable in memory, so that a volume which was interrupted can be recovered and
/// read without changing a bit of the medium. What is kept in memory is only what recovery writes.
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
