//! The metadata store: one table of one redb database, always within an open write transaction, under what has not
//! been entered into it yet ([`Pending`]).
//!
//! [`Store::commit`] makes all changes durable at once, or none. So what a crash leaves is the state at the last commit:
//! a prefix of the operations. Entering a record costs many times what remembering it does, and most are
//! changed several times or gone again before the commit.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use redb::{Database, Durability, ReadableTable, TableDefinition, WriteTransaction};

use crate::error::{Error, Result};
use crate::frames::{Frames, Health};
use crate::layout::{BLOCK64, grown_store_pages};
use crate::pending::{Pending, Waiting};

const TABLE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("capos");

/// The bytes that redb adds to each record: two lengths, and its share of page headers.
const RECORD_OVERHEAD: u64 = 12;

/// The most that may wait in memory to be entered.
const MOST_PENDING_BYTES: u64 = 1 << 20;

/// Bytes of redb's pages that a byte of records takes at worst: redb merges pages less than a third full, so
/// three, and a transaction can copy all of them before a commit frees the originals.
const STORE_BYTES_PER_RECORD_BYTE: u64 = 7;

/// The same of those that are added to pages that were counted.
const PAGE_BYTES_PER_ADDED_BYTE: u64 = 3;

/// Pages for redb's own account of what a transaction replaces: eight bytes for each page, at worst in pages a third full.
const PAGES_PER_ACCOUNT_PAGE: u64 = 128;

pub(crate) struct Store {
    /// Before `db`, so that it is dropped first. `None` only after a commit failed.
    txn: Option<WriteTransaction>,
    db: Database,
    pending: Pending,
    /// A key that the table was found not to have. Whoever makes a record has looked for it.
    absent: RefCell<Option<Vec<u8>>>,
    /// Records changed since the last commit.
    changes: u64,
    record_bytes: u64,
    counted: Option<Counted>,
    /// The size that redb may grow to.
    area_bytes: u64,
    health: Arc<Health>,
    /// A device error ended redb's session.
    broken: Cell<bool>,
}

/// Pages that redb used when they were last counted.
struct Counted {
    pages: u64,
    /// Of the records that were entered since.
    added_bytes: u64,
}

fn error(error: impl Into<redb::Error>) -> Error {
    match error.into() {
        redb::Error::Corrupted(_) => Error::Corrupt,
        _ => Error::Io,
    }
}

/// The size that a record counts for in [`Store::usage`].
pub(crate) fn size_of_record(key: &[u8], value: &[u8]) -> u64 {
    (key.len() + value.len()) as u64 + RECORD_OVERHEAD
}

impl Store {
    /// Opens the store on its frames, or begins one where there is none. An interrupted one is recovered.
    pub(crate) fn open(
        frames: Frames,
        area_bytes: u64,
        health: Arc<Health>,
        cache_bytes: usize,
    ) -> Result<Self> {
        let mut builder = Database::builder();
        builder.set_cache_size(cache_bytes);
        let db = builder.create_with_backend(frames).map_err(error)?;
        let mut store = Self {
            txn: None,
            db,
            pending: Pending::default(),
            absent: RefCell::default(),
            changes: 0,
            record_bytes: 0,
            counted: None,
            area_bytes,
            health,
            broken: Cell::new(false),
        };
        store.begin()?;
        Ok(store)
    }

    fn begin(&mut self) -> Result<()> {
        let mut txn = self.db.begin_write().map_err(error)?;
        // Two phases: the header never names pages that are not on the medium yet, whatever their checksums
        // would say.
        txn.set_two_phase_commit(true);
        txn.set_durability(Durability::Immediate).map_err(error)?;
        self.txn = Some(txn);
        Ok(())
    }

    /// Translates an error of redb, and remembers one after which it answers nothing but errors.
    fn fault(&self, fault: impl Into<redb::Error>) -> Error {
        let fault = error(fault);
        if fault == Error::Io {
            self.broken.set(true);
        }
        fault
    }

    /// Whether the session is over.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.get()
    }

    fn txn(&self) -> Result<&WriteTransaction> {
        self.txn.as_ref().ok_or(Error::Io)
    }

    /// Reads a record through `decode`, which answers `None` for one that makes no sense.
    pub(crate) fn get<T>(&self, key: &[u8], decode: impl FnOnce(&[u8]) -> Option<T>) -> Result<Option<T>> {
        match self.pending.get(key) {
            Some(Waiting::Value(value)) => return decode(value).ok_or(Error::Corrupt).map(Some),
            Some(Waiting::Removed) => return Ok(None),
            None if self.absent.borrow().as_deref() == Some(key) => return Ok(None),
            None => {}
        }
        let table = self.txn()?.open_table(TABLE).map_err(|e| self.fault(e))?;
        let found = table.get(key).map_err(|e| self.fault(e))?;
        if found.is_none() {
            *self.absent.borrow_mut() = Some(key.to_owned());
        }
        found.map(|value| decode(value.value()).ok_or(Error::Corrupt)).transpose()
    }

    /// Writes a record, in place of one with the same key.
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.changes += u64::from(self.pending.put(key, value));
        self.enter_many()
    }

    /// Writes a record of which the caller knows that there is none with the same key.
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.changes += u64::from(self.pending.add(key, value));
        self.enter_many()
    }

    /// Removes a record, if there is one.
    pub(crate) fn remove(&mut self, key: &[u8]) -> Result<()> {
        self.changes += u64::from(self.pending.remove(key));
        self.enter_many()
    }

    /// Bounds the memory for what waits.
    fn enter_many(&mut self) -> Result<()> {
        if self.pending.bytes() > MOST_PENDING_BYTES { self.enter() } else { Ok(()) }
    }

    /// Enters what waits into the transaction.
    pub(crate) fn enter(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut bytes = self.record_bytes;
        let mut added_bytes = 0;
        {
            let mut table = self.txn()?.open_table(TABLE).map_err(|e| self.fault(e))?;
            for (key, waiting) in self.pending.iter() {
                let old = match waiting {
                    Waiting::Value(value) => {
                        bytes += size_of_record(key, value);
                        added_bytes += size_of_record(key, value);
                        table.insert(key, value).map_err(|e| self.fault(e))?
                    }
                    Waiting::Removed => table.remove(key).map_err(|e| self.fault(e))?,
                };
                bytes = bytes.saturating_sub(old.map_or(0, |old| size_of_record(key, old.value())));
            }
        }
        self.record_bytes = bytes;
        if let Some(counted) = &mut self.counted {
            counted.added_bytes += added_bytes;
        }
        self.pending.clear();
        *self.absent.borrow_mut() = None;
        Ok(())
    }

    /// Shows records in order, from `start` up to `end`, until `visit` breaks.
    pub(crate) fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        if start >= end {
            return Ok(());
        }
        let table = self.txn()?.open_table(TABLE).map_err(|e| self.fault(e))?;
        let mut waiting = self.pending.range(start, end).peekable();
        for record in table.range(start..end).map_err(|e| self.fault(e))? {
            let (key, value) = record.map_err(|e| self.fault(e))?;
            while let Some((before, waits)) = waiting.next_if(|(waits, _)| *waits < key.value()) {
                if let Waiting::Value(value) = waits
                    && visit(before, value)?.is_break()
                {
                    return Ok(());
                }
            }
            let shown = match waiting.next_if(|(waits, _)| *waits == key.value()) {
                Some((key, Waiting::Value(value))) => visit(key, value)?,
                Some((_, Waiting::Removed)) => ControlFlow::Continue(()),
                None => visit(key.value(), value.value())?,
            };
            if shown.is_break() {
                return Ok(());
            }
        }
        for (key, waits) in waiting {
            if let Waiting::Value(value) = waits
                && visit(key, value)?.is_break()
            {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Makes everything since the last commit durable.
    pub(crate) fn commit(&mut self) -> Result<()> {
        self.enter()?;
        let txn = self.txn.take().ok_or(Error::Io)?;
        txn.commit().map_err(|e| self.fault(e))?;
        self.changes = 0;
        self.begin()
    }

    /// Counts the pages that redb uses. Just after a commit those are the records' and few others. It reads all of them.
    pub(crate) fn count_pages(&mut self) -> Result<()> {
        let stats = self.txn()?.stats().map_err(|e| self.fault(e))?;
        self.counted = Some(Counted { pages: stats.allocated_pages(), added_bytes: 0 });
        Ok(())
    }

    /// Whether the pages that redb uses are known.
    pub(crate) fn is_counted(&self) -> bool {
        self.counted.is_some()
    }

    /// Records changed since the last commit.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// Bytes of all records at most, and how many there may be for certain. Records that wait count as if they
    /// replaced none.
    pub(crate) fn usage(&self) -> (u64, u64) {
        let bound = self.extent().1 / STORE_BYTES_PER_RECORD_BYTE;
        let bytes = self.record_bytes.saturating_add(self.pending.bytes());
        (bytes, bound.max(bytes))
    }

    /// The size that redb takes now.
    pub(crate) fn store_bytes(&self) -> u64 {
        self.health.store_bytes.load(Ordering::Relaxed)
    }

    /// The size that redb takes now, and the size that it can grow to.
    fn extent(&self) -> (u64, u64) {
        let store_bytes = self.store_bytes();
        let mut pages = store_bytes / BLOCK64;
        let mut next = grown_store_pages(pages);
        while next > pages && next <= self.area_bytes / BLOCK64 {
            (pages, next) = (next, grown_store_pages(next));
        }
        (store_bytes, pages * BLOCK64)
    }

    /// Counts a record that was found when the volume was opened.
    pub(crate) fn count(&mut self, bytes: u64) {
        self.record_bytes += bytes;
    }

    /// Whether records of `bytes` more, keys and overhead included, are sure to find room. If not, redb might
    /// want to grow beyond its area, and a store that cannot grow ends its session.
    ///
    /// While it can grow once more, anything goes that fits into half of that growth at worst. When it has grown
    /// for the last time, it was full at half of what it is now, so that all it holds can still be copied, as
    /// removing does; and nothing may be added unless all fits: at worst, or by the pages that records were found to take. What
    /// waits counts as added, as if it replaced nothing: entering it may make room.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        let bytes = bytes.saturating_add(self.pending.bytes());
        let (store_bytes, largest) = self.extent();
        let at_worst = |bytes: u64| bytes.saturating_mul(STORE_BYTES_PER_RECORD_BYTE);
        (store_bytes < largest && at_worst(bytes) <= store_bytes / 2)
            || at_worst(self.record_bytes.saturating_add(bytes)) <= largest
            || self.counted.as_ref().is_some_and(|counted| counted.has_room(bytes, largest / BLOCK64))
    }
}

impl Counted {
    /// Whether records of `bytes` more fit into a store of `store_pages`, with a copy of every page that a transaction may have
    /// replaced.
    fn has_room(&self, bytes: u64, store_pages: u64) -> bool {
        let added = self.added_bytes.saturating_add(bytes).saturating_mul(PAGE_BYTES_PER_ADDED_BYTE);
        let used = self.pages.saturating_add(added / BLOCK64 + 1);
        used.saturating_mul(2).saturating_add(store_pages / PAGES_PER_ACCOUNT_PAGE + 8) <= store_pages
    }
}
