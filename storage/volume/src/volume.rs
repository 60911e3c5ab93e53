//! A volume: opening, closing, committing, and the state behind all operations.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::blocks::Blocks;
use crate::cache::Cache;
use crate::cached::CachedFiles;
use crate::device::{BlockDevice, Overlay};
use crate::error::{Error, Result};
use crate::frames::{Frames, Health};
use crate::layout::{BLOCK, Geometry, reserve};
use crate::map::Group;
use crate::quota::Quotas;
use crate::record::{Ino, Inode, Kind, ROOT, Reader, key, key_ino, size_of_record, tag};
use crate::store::Store;

/// Whether a volume may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The device is not written, not even for recovery.
    ReadOnly,
    /// Reading and writing.
    ReadWrite,
}

/// Returns the time for time stamps, in nanoseconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Options for opening a volume.
#[derive(Clone)]
pub struct Options {
    /// Whether it may be modified.
    pub mode: Mode,
    /// Memory for metadata pages.
    pub meta_cache_bytes: usize,
    /// Memory for blocks read from files, and the same amount for dirty blocks.
    pub data_cache_bytes: usize,
    /// The source of time stamps. Without a clock they are 0.
    pub clock: Clock,
    /// Whether reads verify checksums.
    pub trust: Trust,
}

/// Whether reads verify checksums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// The device may return wrong data: every block is verified when it is read.
    #[default]
    Checked,
    /// The device is memory of this process, which is as reliable as the rest of the process.
    OwnMemory,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::ReadWrite,
            meta_cache_bytes: 2 << 20,
            data_cache_bytes: 2 << 20,
            clock: Arc::new(|| 0),
            trust: Trust::Checked,
        }
    }
}

/// Options for creating a volume.
#[derive(Clone, Copy, Debug, Default)]
pub struct FormatOptions {
    /// Identifies it; files report it as their device number. Choose it at random.
    pub id: u64,
    /// Size of the metadata area. By default about a sixteenth of the device.
    pub meta_bytes: Option<u64>,
}

/// Use of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Size of a block.
    pub block_bytes: u32,
    /// Number of data blocks.
    pub blocks: u64,
    /// Data blocks that a write can still take.
    pub blocks_free: u64,
    /// Inodes in use, the root included.
    pub inodes: u64,
    /// Bytes of metadata records.
    pub meta_bytes: u64,
    /// Metadata pages that were damaged and have been repaired from their second copy since the volume was
    /// opened.
    pub mended: u64,
    /// Metadata pages found damaged in both copies since the volume was opened.
    pub lost: u64,
}

#[derive(Debug)]
pub(crate) struct CachedInode {
    pub(crate) inode: Inode,
    pub(crate) dirty: bool,
}

/// An open volume.
///
/// Operations are applied in order and become durable together, by [`Volume::sync`] or earlier at the
/// volume's discretion; never in another order and never in part. Dropping a volume without [`Volume::sync`]
/// is equivalent to a power cut.
pub struct Volume {
    pub(crate) store: Store,
    pub(crate) device: Arc<dyn BlockDevice>,
    pub(crate) geometry: Geometry,
    health: Arc<Health>,
    mode: Mode,
    clock: Clock,
    pub(crate) trust: Trust,
    pub(crate) blocks: Blocks,
    pub(crate) cache: Rc<RefCell<Cache>>,
    pub(crate) inodes: BTreeMap<Ino, CachedInode>,
    pub(crate) opens: BTreeMap<Ino, u32>,
    pub(crate) quotas: Quotas,
    pub(crate) next_ino: Ino,
    /// The value in the volume's record.
    stored_next_ino: Ino,
    pub(crate) inode_count: u64,
    failed: bool,
    /// The last modifying operation failed for lack of space for metadata.
    lacks_meta: bool,
}

impl fmt::Debug for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Volume")
            .field("geometry", &self.geometry)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

/// Number of changes after which the volume commits by itself, to bound the size of a transaction.
const COMMIT_AFTER_CHANGES: u64 = 8192;
/// Number of inodes kept in memory by modifying operations; other operations keep twice as many.
const INODES_CACHED: usize = 1024;
/// Space reserved for removing and renaming, so that a full volume can be emptied.
const META_SLACK_BYTES: u64 = 16 << 10;

impl Volume {
    /// Creates an empty volume on `device`, destroying any previous content.
    pub fn format(device: &Arc<dyn BlockDevice>, options: FormatOptions, now_ns: u64) -> Result<()> {
        let geometry = Geometry::plan(options.id, device.size_bytes(), options.meta_bytes)?;
        Geometry::erase(device)?;
        let health = Arc::<Health>::default();
        let frames = Frames::open(device.clone(), geometry, health.clone())?;
        let mut store = Store::open(frames, geometry.area_bytes(), health, 1 << 20)?;
        let mut root = Inode::new(Kind::Directory, 0, now_ns);
        root.links = 2;
        root.parent = ROOT;
        store.put(&key(tag::INODE, ROOT), &root.encode())?;
        store.put(&key(tag::VOLUME, 0), &(ROOT + 1).to_le_bytes())?;
        store.commit()?;
        drop(store);
        geometry.save(device)
    }

    /// Whether there is a volume on `device`, even one too damaged to open.
    pub fn is_on(device: &dyn BlockDevice) -> bool {
        Geometry::is_marked(device)
    }

    /// The size of the volume on `device` as recorded when it was created; `None` if that cannot be read. A device that is
    /// smaller has lost its end, and such a volume does not open.
    pub fn stored_size_bytes(device: &dyn BlockDevice) -> Option<u64> {
        Geometry::stored_bytes(device)
    }

    /// Opens the volume on `device`, recovering it first if it was interrupted.
    pub fn open(device: Arc<dyn BlockDevice>, options: Options) -> Result<Self> {
        let device: Arc<dyn BlockDevice> = match options.mode {
            Mode::ReadWrite => device,
            Mode::ReadOnly => Arc::new(Overlay::new(device)),
        };
        let geometry = Geometry::load(&device)?;
        let health = Arc::<Health>::default();
        let frames = Frames::open(device.clone(), geometry, health.clone())?;
        if !frames.is_begun() {
            return Err(Error::Corrupt);
        }
        let store = Store::open(frames, geometry.area_bytes(), health.clone(), options.meta_cache_bytes)?;
        let mut volume = Self {
            store,
            device,
            geometry,
            health,
            mode: options.mode,
            clock: options.clock,
            trust: options.trust,
            blocks: Blocks::new(geometry.first_data_block() as u32, geometry.blocks as u32),
            cache: Rc::new(RefCell::new(Cache::new(options.data_cache_bytes / BLOCK))),
            inodes: BTreeMap::new(),
            opens: BTreeMap::new(),
            quotas: Quotas::default(),
            next_ino: 0,
            stored_next_ino: 0,
            inode_count: 0,
            failed: false,
            lacks_meta: false,
        };
        let orphans = volume.survey()?;
        if options.mode == Mode::ReadWrite {
            // They were open and had no name when the volume was interrupted.
            for ino in orphans {
                volume.reclaim_orphan(ino)?;
            }
        }
        Ok(volume)
    }

    /// Scans all records once, for the blocks and quotas in use.
    fn survey(&mut self) -> Result<Vec<Ino>> {
        let Self { store, blocks, quotas, next_ino, stored_next_ino, inode_count, .. } = self;
        let mut orphans = Vec::new();
        let (mut highest, mut highest_key) = (0, 0);
        let mut bytes = 0;
        store.scan(&[], &[u8::MAX], |record_key, value| {
            bytes += size_of_record(record_key, value);
            highest_key = highest_key.max(key_ino(record_key).unwrap_or(0));
            match record_key.first() {
                Some(&tag::VOLUME) => *next_ino = Reader(value).u64().ok_or(Error::Corrupt)?,
                Some(&tag::INODE) => {
                    let inode = Inode::decode(value).ok_or(Error::Corrupt)?;
                    highest = highest.max(key_ino(record_key).ok_or(Error::Corrupt)?);
                    *inode_count += 1;
                    quotas.charge(inode.quota, i64::try_from(inode.blocks).map_err(|_| Error::Corrupt)?, 1);
                }
                Some(&tag::MAP) => {
                    // A block claimed twice is left to `check`: both files' checksums tell the owner.
                    for mapping in Group::decode(value).ok_or(Error::Corrupt)?.0 {
                        blocks.claim(mapping.block);
                    }
                }
                Some(&tag::ORPHAN) => orphans.push(key_ino(record_key).ok_or(Error::Corrupt)?),
                Some(&tag::QUOTA) => quotas.load(record_key, value)?,
                _ => {}
            }
            Ok(ControlFlow::Continue(()))
        })?;
        *stored_next_ino = *next_ino;
        *next_ino = (*next_ino).max(highest.saturating_add(1));
        store.found(bytes, highest_key);
        Ok(orphans)
    }

    /// Whether it may be modified.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Identifies the volume: the device number of its files.
    pub fn id(&self) -> u64 {
        self.geometry.id
    }

    /// Its space usage.
    pub fn usage(&self) -> Usage {
        let reserved = self.cache.borrow_mut().dirty_count() as u64 + u64::from(self.reserve());
        Usage {
            block_bytes: BLOCK as u32,
            blocks: u64::from(self.blocks.total()),
            blocks_free: u64::from(self.blocks.free_after_commit()).saturating_sub(reserved),
            inodes: self.inode_count,
            meta_bytes: self.store.record_bytes(),
            mended: self.health.mended.load(Ordering::Relaxed),
            lost: self.health.lost.load(Ordering::Relaxed),
        }
    }

    /// Whether the last modifying operation failed for lack of space for names and attributes; there may be space for
    /// data.
    pub fn is_full_of_names(&self) -> bool {
        self.lacks_meta
    }

    /// Whether the device failed in a way that prevents further changes in this session. Reopening the volume
    /// shows the last durable state.
    pub fn has_failed(&self) -> bool {
        self.failed || self.store.is_broken()
    }

    pub(crate) fn now_ns(&self) -> u64 {
        (self.clock)()
    }

    /// Number of blocks reserved so that overwriting, which needs a free block until the commit, always
    /// succeeds.
    pub(crate) fn reserve(&self) -> u32 {
        reserve(self.blocks.total())
    }

    /// Called before every modifying operation, while no operation is half done.
    pub(crate) fn begin(&mut self) -> Result<()> {
        if self.mode == Mode::ReadOnly {
            return Err(Error::ReadOnly);
        }
        if self.has_failed() {
            return Err(Error::Io);
        }
        self.lacks_meta = false;
        if self.cache.borrow_mut().wants_flush() {
            self.flush_blocks()?;
        }
        self.trim_inodes()?;
        if self.store.changes() > COMMIT_AFTER_CHANGES {
            self.commit()?;
        }
        self.cache.borrow_mut().is_half_done = true;
        Ok(())
    }

    /// The cached content of its files.
    pub fn cached_files(&self) -> CachedFiles {
        CachedFiles(self.cache.clone())
    }

    /// Makes every completed operation durable: what `fd_sync` and `fd_datasync` wait for.
    pub fn sync(&mut self) -> Result<()> {
        if self.has_failed() {
            return Err(Error::Io);
        }
        self.commit()
    }

    pub(crate) fn commit(&mut self) -> Result<()> {
        if self.mode == Mode::ReadOnly {
            return Ok(());
        }
        // Blocks first: if the device refuses one, nothing has changed and the sync can be retried.
        self.flush_blocks()?;
        self.flush_inodes()?;
        if self.stored_next_ino != self.next_ino {
            let stored = self.store.put(&key(tag::VOLUME, 0), &self.next_ino.to_le_bytes());
            self.note(stored)?;
            self.stored_next_ino = self.next_ino;
        }
        if self.store.changes() == 0 {
            return Ok(());
        }
        let done = self.store.commit();
        self.note(done)?;
        self.blocks.committed();
        Ok(())
    }

    /// An error of the store in the middle of a change leaves an inconsistent state, so the session ends.
    pub(crate) fn note<T>(&mut self, result: Result<T>) -> Result<T> {
        if result.is_err() {
            self.failed = true;
        }
        result
    }

    /// Bounds the number of cached inodes.
    pub(crate) fn trim_inodes(&mut self) -> Result<()> {
        if self.inodes.len() > INODES_CACHED {
            self.flush_inodes()?;
            self.inodes.clear();
        }
        Ok(())
    }

    fn flush_inodes(&mut self) -> Result<()> {
        for (ino, cached) in &mut self.inodes {
            if cached.dirty {
                let stored = self.store.put(&key(tag::INODE, *ino), &cached.inode.encode());
                self.failed |= stored.is_err();
                stored?;
                cached.dirty = false;
            }
        }
        Ok(())
    }

    /// An inode, for reading.
    pub(crate) fn inode(&mut self, ino: Ino) -> Result<&Inode> {
        self.cached(ino).map(|cached| &cached.inode)
    }

    /// An inode, for modification.
    pub(crate) fn inode_mut(&mut self, ino: Ino) -> Result<&mut Inode> {
        self.cache.borrow_mut().forget_size(ino);
        let cached = self.cached(ino)?;
        cached.dirty = true;
        Ok(&mut cached.inode)
    }

    fn cached(&mut self, ino: Ino) -> Result<&mut CachedInode> {
        use std::collections::btree_map::Entry;
        // Read-only operations do not call `trim_inodes` first, and may access any number.
        if self.inodes.len() > 2 * INODES_CACHED && !self.inodes.contains_key(&ino) {
            self.inodes.retain(|_, cached| cached.dirty);
        }
        match self.inodes.entry(ino) {
            Entry::Occupied(cached) => Ok(cached.into_mut()),
            Entry::Vacant(place) => {
                let inode = self.store.get(&key(tag::INODE, ino), Inode::decode)?.ok_or(Error::NotFound)?;
                Ok(place.insert(CachedInode { inode, dirty: false }))
            }
        }
    }

    /// Checks that `bytes` of new records are guaranteed to fit, records of dirty blocks included, and commits if
    /// that frees space. Returns whether it committed.
    pub(crate) fn need_meta(&mut self, bytes: u64) -> Result<bool> {
        /// At worst two blocks at the two ends of a record, with empty entries between them.
        const PER_DIRTY_BLOCK: u64 = 300;
        let pending = self.cache.borrow_mut().dirty_count() as u64 * PER_DIRTY_BLOCK;
        if self.store.has_room(bytes + pending + META_SLACK_BYTES) {
            return Ok(false);
        }
        let entered = self.store.enter();
        self.note(entered)?;
        if self.store.has_room(bytes + pending + META_SLACK_BYTES) {
            return Ok(false);
        }
        // Pages replaced by a transaction take space until its end; only then is the records' size known.
        let has_changed = self.store.changes() > 0 || !self.store.is_counted() || pending > 0;
        if has_changed {
            self.commit()?;
            let counted = self.store.count_pages();
            self.note(counted)?;
        }
        self.lacks_meta = !self.store.has_room(bytes + META_SLACK_BYTES);
        if self.lacks_meta { Err(Error::NoSpace) } else { Ok(has_changed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemDevice, QuotaLimits};

    #[test]
    fn looking_at_many_inodes_keeps_few_in_memory() {
        let device: Arc<dyn BlockDevice> = Arc::new(MemDevice::new(64 << 20));
        Volume::format(&device, Default::default(), 0).unwrap();
        let mut volume = Volume::open(device.clone(), Options::default()).unwrap();
        let dir = volume.create_dir(ROOT, "d").unwrap();
        let files: Vec<Ino> =
            (0..3 * INODES_CACHED).map(|n| volume.create_file(dir, &n.to_string()).unwrap()).collect();
        // One operation that changes all of them.
        volume.set_quota(dir, QuotaLimits { bytes: None, inodes: Some(1 << 20) }).unwrap();
        assert!(volume.inodes.len() <= 2 * INODES_CACHED + 1);
        volume.sync().unwrap();
        for mode in [Mode::ReadWrite, Mode::ReadOnly] {
            let mut volume = Volume::open(device.clone(), Options { mode, ..Options::default() }).unwrap();
            for file in &files {
                assert_eq!(volume.stat(*file).unwrap().ino, *file);
                assert!(volume.inodes.len() <= 2 * INODES_CACHED + 1);
            }
            assert_eq!(volume.quota(dir).unwrap().unwrap().inodes, files.len() as u64 + 1);
        }
    }
}
