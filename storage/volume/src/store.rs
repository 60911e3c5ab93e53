//! The metadata store: one table of one redb database, always within an open write transaction, and the changes
//! that have not been entered into it yet ([`Pending`]).
//!
//! [`Store::commit`] makes all changes durable at once, or none. So a crash leaves the state of the last commit: a
//! prefix of the operations. Entering a record costs many times more than buffering it, and most records are changed
//! several times or removed again before the commit.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use redb::{
    Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition, TableError,
    WriteTransaction,
};

use crate::entering::enter;
use crate::error::{Error, Result};
use crate::frames::{Frames, Health};
use crate::layout::{BLOCK64, grown_store_pages};
use crate::pending::{Pending, Waiting};
use crate::record::{Bytes, key_ino};

const TABLE: TableDefinition<Bytes, Bytes> = TableDefinition::new("capos");

/// Maximum size of the pending changes in memory.
const MOST_PENDING_BYTES: u64 = 1 << 20;

/// Worst-case bytes of redb's pages per byte of records: redb merges pages less than a third full, hence
/// three, and a transaction can copy all of them before a commit frees the originals.
const STORE_BYTES_PER_RECORD_BYTE: u64 = 7;

/// The same for records added to counted pages.
const PAGE_BYTES_PER_ADDED_BYTE: u64 = 3;

/// Pages for redb's own record of the pages that a transaction replaces: eight bytes per page, at worst in pages a third
/// full.
const PAGES_PER_ACCOUNT_PAGE: u64 = 128;

pub(crate) struct Store {
    /// Declared before `db`, so that it is dropped first. `None` only after a commit failed.
    txn: Option<WriteTransaction>,
    db: Database,
    /// The table as of the last commit, for reads as long as nothing has been entered since. Opening it takes as long as
    /// several reads.
    committed: RefCell<Option<ReadOnlyTable<Bytes, Bytes>>>,
    /// Something was entered since the last commit.
    has_entered: bool,
    /// No record of the table has a higher number than this after its tag.
    highest: u64,
    pending: Pending,
    /// A key that was found absent from the table. Creating a record always begins with such a lookup.
    absent: RefCell<Option<Vec<u8>>>,
    /// Number of records changed since the last commit.
    changes: u64,
    record_bytes: u64,
    counted: Option<Counted>,
    /// Maximum size of redb.
    area_bytes: u64,
    health: Arc<Health>,
    /// A device error ended redb's session.
    broken: Cell<bool>,
}

/// A record of the table.
type Record<'t> = (redb::AccessGuard<'t, Bytes>, redb::AccessGuard<'t, Bytes>);

/// Pages that redb used at the last count.
struct Counted {
    pages: u64,
    /// Bytes of records entered since.
    added_bytes: u64,
}

fn error(error: impl Into<redb::Error>) -> Error {
    match error.into() {
        redb::Error::Corrupted(_) => Error::Corrupt,
        _ => Error::Io,
    }
}

impl Store {
    /// Opens the store on its frames, or creates one if there is none. An interrupted one is recovered.
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
            committed: RefCell::default(),
            has_entered: false,
            highest: u64::MAX,
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
        // Two phases: the header never refers to pages that are not on the medium yet, so nothing depends on
        // their checksums.
        txn.set_two_phase_commit(true);
        txn.set_durability(Durability::Immediate).map_err(error)?;
        self.txn = Some(txn);
        Ok(())
    }

    /// Translates an error of redb, and records one that ends the session.
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

    /// Whether the table cannot have a record with this key.
    fn is_beyond(&self, key: &[u8]) -> bool {
        key_ino(key).is_some_and(|number| number > self.highest)
    }

    /// Opens the table as of the last commit. False if it has changed since, or was not committed yet.
    fn open_committed(&self) -> Result<bool> {
        if self.has_entered {
            return Ok(false);
        }
        let mut committed = self.committed.borrow_mut();
        if committed.is_none() {
            let reading = self.db.begin_read().map_err(|e| self.fault(e))?;
            *committed = match reading.open_table(TABLE) {
                Ok(table) => Some(table),
                Err(TableError::TableDoesNotExist(_)) => return Ok(false),
                Err(error) => return Err(self.fault(error)),
            };
        }
        Ok(true)
    }

    /// Reads a record through `decode`, which returns `None` for an invalid one.
    pub(crate) fn get<T>(&self, key: &[u8], decode: impl FnOnce(&[u8]) -> Option<T>) -> Result<Option<T>> {
        match self.pending.get(key) {
            Some(Waiting::Value(value)) => return decode(value).ok_or(Error::Corrupt).map(Some),
            Some(Waiting::Removed) => return Ok(None),
            None if self.is_beyond(key) || self.absent.borrow().as_deref() == Some(key) => return Ok(None),
            None => {}
        }
        let found = if self.open_committed()?
            && let Some(table) = &*self.committed.borrow()
        {
            let value = table.get(key).map_err(|e| self.fault(e))?;
            value.map(|value| decode(value.value()))
        } else {
            let table = self.txn()?.open_table(TABLE).map_err(|e| self.fault(e))?;
            let value = ReadableTable::get(&table, key).map_err(|e| self.fault(e))?;
            value.map(|value| decode(value.value()))
        };
        if found.is_none() {
            *self.absent.borrow_mut() = Some(key.to_owned());
        }
        found.map(|value| value.ok_or(Error::Corrupt)).transpose()
    }

    /// Writes a record, replacing one with the same key.
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        if self.is_beyond(key) {
            return self.add(key, value);
        }
        self.changes += u64::from(self.pending.put(key, value));
        self.enter_many()
    }

    /// Writes a record whose key the caller knows to be absent.
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.changes += u64::from(self.pending.add(key, value));
        self.enter_many()
    }

    /// Removes a record, if there is one.
    pub(crate) fn remove(&mut self, key: &[u8]) -> Result<()> {
        let is_beyond = self.is_beyond(key);
        self.changes += u64::from(self.pending.remove(key, is_beyond));
        self.enter_many()
    }

    /// Bounds the memory of pending changes.
    fn enter_many(&mut self) -> Result<()> {
        if self.pending.bytes() > MOST_PENDING_BYTES { self.enter() } else { Ok(()) }
    }

    /// Enters the pending changes into the transaction.
    pub(crate) fn enter(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        // The commit could not free the pages that it refers to.
        *self.committed.borrow_mut() = None;
        self.has_entered = true;
        let entered = {
            let mut table = self.txn()?.open_table(TABLE).map_err(|e| self.fault(e))?;
            enter(&self.pending, &mut table).map_err(|e| self.fault(e))?
        };
        self.record_bytes = (self.record_bytes + entered.added_bytes).saturating_sub(entered.removed_bytes);
        if let Some(counted) = &mut self.counted {
            counted.added_bytes += entered.added_bytes;
        }
        self.highest = self.highest.max(entered.highest);
        self.pending.clear();
        *self.absent.borrow_mut() = None;
        Ok(())
    }

    /// Visits records in order, from `start` up to `end`, until `visit` breaks.
    pub(crate) fn scan(
        &self,
        start: &[u8],
        end: &[u8],
        visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        if start >= end {
            return Ok(());
        }
        if self.is_beyond(start) && key_ino(start) == key_ino(end) && start.first() == end.first() {
            return self.merge(std::iter::empty(), start, end, visit);
        }
        if self.open_committed()?
            && let Some(table) = &*self.committed.borrow()
        {
            let records = table.range(start..end).map_err(|e| self.fault(e))?;
            return self.merge(records, start, end, visit);
        }
        let table = self.txn()?.open_table(TABLE).map_err(|e| self.fault(e))?;
        let records = table.range(start..end).map_err(|e| self.fault(e))?;
        self.merge(records, start, end, visit)
    }

    /// Visits records of the table and pending ones, merged in order.
    fn merge<'t>(
        &self,
        records: impl Iterator<Item = redb::Result<Record<'t>>>,
        start: &[u8],
        end: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let mut waiting = self.pending.range(start, end).peekable();
        for record in records {
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

    /// Makes all changes since the last commit durable.
    pub(crate) fn commit(&mut self) -> Result<()> {
        self.enter()?;
        let txn = self.txn.take().ok_or(Error::Io)?;
        txn.commit().map_err(|e| self.fault(e))?;
        self.changes = 0;
        self.has_entered = false;
        self.begin()
    }

    /// Counts the pages that redb uses, by reading all of them. Just after a commit those are the pages of the records
    /// and few others.
    pub(crate) fn count_pages(&mut self) -> Result<()> {
        let stats = self.txn()?.stats().map_err(|e| self.fault(e))?;
        self.counted = Some(Counted { pages: stats.allocated_pages(), added_bytes: 0 });
        Ok(())
    }

    /// Whether the number of pages in use is known.
    pub(crate) fn is_counted(&self) -> bool {
        self.counted.is_some()
    }

    /// Number of records changed since the last commit.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// Upper bound of the size of all records: pending ones count as if they replaced none.
    pub(crate) fn record_bytes(&self) -> u64 {
        self.record_bytes.saturating_add(self.pending.bytes())
    }

    /// The size of the pages that redb used at the last count, and the limit beyond which names are refused: redb must be
    /// able to copy each page.
    pub(crate) fn page_bytes(&self) -> (u64, u64) {
        let used = self.counted.as_ref().map_or(0, |counted| counted.pages);
        let most = usable_pages(self.extent().1 / BLOCK64);
        (used * BLOCK64, most.max(used) * BLOCK64)
    }

    /// The current size of redb.
    pub(crate) fn store_bytes(&self) -> u64 {
        self.health.store_bytes.load(Ordering::Relaxed)
    }

    /// The current size of redb, and its maximum.
    fn extent(&self) -> (u64, u64) {
        let store_bytes = self.store_bytes();
        let mut pages = store_bytes / BLOCK64;
        let mut next = grown_store_pages(pages);
        while next > pages && next <= self.area_bytes / BLOCK64 {
            (pages, next) = (next, grown_store_pages(next));
        }
        (store_bytes, pages * BLOCK64)
    }

    /// Records the results of opening the volume: the size of all records, and the highest number in a key.
    pub(crate) fn found(&mut self, bytes: u64, highest: u64) {
        self.record_bytes = bytes;
        self.highest = highest;
    }

    /// Whether `bytes` more of records, keys and overhead included, are guaranteed to fit. Otherwise redb might need to
    /// grow beyond its area, which ends its session.
    ///
    /// While redb can grow once more, everything is allowed that fits at worst into half of that growth. After its last
    /// growth it was full at half its current size, so all of that can still be copied, as removals require; further
    /// additions are allowed only if everything fits, computed either for the worst case or from the counted pages.
    /// Pending changes count as additions, as if they replaced nothing; entering them may free space.
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
    /// Whether `bytes` more of records fit into a store of `store_pages`, with a copy of every page that a transaction
    /// may have replaced.
    fn has_room(&self, bytes: u64, store_pages: u64) -> bool {
        let added = self.added_bytes.saturating_add(bytes).saturating_mul(PAGE_BYTES_PER_ADDED_BYTE);
        let used = self.pages.saturating_add(added / BLOCK64 + 1);
        used <= usable_pages(store_pages)
    }
}

/// The number of pages, of `store_pages`, that records may use, so that there is space for a copy of each and for redb's
/// own records.
fn usable_pages(store_pages: u64) -> u64 {
    store_pages.saturating_sub(store_pages / PAGES_PER_ACCOUNT_PAGE + 8) / 2
}
