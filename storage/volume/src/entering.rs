//! Enters pending changes into the table.
//!
//! New records are mostly consecutive: those of new inodes, and of new names in listing order. Such a run is packed into
//! whole pages at once, which costs a fraction of entering each record separately and leaves pages full rather than half
//! full.

use std::ops::Bound;

use redb::{CursorError, ReadableTable, Table};

use crate::pending::{Pending, Waiting};
use crate::record::{Bytes, key_ino, size_of_record};

/// Minimum number of records worth packing.
const LEAST_RUN: usize = 8;

/// Maximum number of records entered one by one after a run that was too short, before looking for another
/// run.
const MOST_SINGLE: usize = 64;

/// The sizes of added and removed records.
#[derive(Debug, Default)]
pub(crate) struct Entered {
    pub(crate) added_bytes: u64,
    pub(crate) removed_bytes: u64,
    /// The highest number in the key of an added record.
    pub(crate) highest: u64,
}

impl Entered {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        self.added_bytes += size_of_record(key, value);
        self.highest = self.highest.max(key_ino(key).unwrap_or(0));
    }
}

type Change<'a> = (&'a [u8], Waiting<'a>, bool);

/// Enters all changes of `pending` into `table`.
pub(crate) fn enter(
    pending: &Pending,
    table: &mut Table<'_, Bytes, Bytes>,
) -> Result<Entered, redb::StorageError> {
    let mut entered = Entered::default();
    let changes: Vec<_> = pending.iter().collect();
    let mut rest = changes.as_slice();
    let (mut single, mut next_single) = (0, 1);
    while let Some((change, after)) = rest.split_first() {
        if single == 0 {
            let count = match change {
                (_, Waiting::Removed, _) => cut_out(table, rest, &mut entered)?,
                (_, Waiting::Value(_), true) => pack(table, rest, &mut entered)?,
                (_, Waiting::Value(_), false) => 0,
            };
            if count > 0 {
                next_single = 1;
                rest = rest.get(count..).unwrap_or_default();
                continue;
            }
            // The more scattered the changes are, the more rarely a run is looked for.
            (single, next_single) = (next_single, (2 * next_single).min(MOST_SINGLE));
        }
        single -= 1;
        enter_one(table, change, &mut entered)?;
        rest = after;
    }
    Ok(entered)
}

fn enter_one(
    table: &mut Table<'_, Bytes, Bytes>,
    (key, waiting, _): &Change<'_>,
    entered: &mut Entered,
) -> Result<(), redb::StorageError> {
    let old = match waiting {
        Waiting::Value(value) => {
            entered.add(key, value);
            table.insert(key, value)?
        }
        Waiting::Removed => table.remove(key)?,
    };
    entered.removed_bytes += old.map_or(0, |old| size_of_record(key, old.value()));
    Ok(())
}

/// Removes the records of the first changes together, if they are enough and neighbours in the table. Returns
/// their number.
fn cut_out(
    table: &mut Table<'_, Bytes, Bytes>,
    changes: &[Change<'_>],
    entered: &mut Entered,
) -> Result<usize, redb::StorageError> {
    let Some((first, ..)) = changes.first() else { return Ok(0) };
    let (mut count, mut bytes, mut last) = (0, 0, *first);
    let records = table.range::<&[u8]>((Bound::Included(*first), Bound::Unbounded))?;
    for ((key, waiting, _), record) in changes.iter().zip(records) {
        let (found, value) = record?;
        if *waiting != Waiting::Removed || found.value() != *key {
            break;
        }
        count += 1;
        bytes += size_of_record(key, value.value());
        last = *key;
    }
    if count < LEAST_RUN {
        return Ok(0);
    }
    table.retain_in::<&[u8], _>((Bound::Included(*first), Bound::Included(last)), |_, _| false)?;
    entered.removed_bytes += bytes;
    Ok(count)
}

/// The first changes that are new records with no record of the table between them.
fn run<'c, 'a>(
    table: &Table<'_, Bytes, Bytes>,
    changes: &'c [Change<'a>],
) -> Result<&'c [Change<'a>], redb::StorageError> {
    let Some((first, ..)) = changes.first() else { return Ok(&[]) };
    let next = table.range::<&[u8]>((Bound::Included(*first), Bound::Unbounded))?.next().transpose()?;
    let is_before = |key: &[u8]| next.as_ref().is_none_or(|(next, _)| key < next.value());
    let is_run =
        |(key, waiting, is_new): &Change<'_>| *is_new && *waiting != Waiting::Removed && is_before(key);
    let len = changes.iter().position(|change| !is_run(change)).unwrap_or(changes.len());
    Ok(changes.get(..len).unwrap_or_default())
}

/// Enters the first changes together, if they are enough and will be neighbours. Returns their number.
fn pack(
    table: &mut Table<'_, Bytes, Bytes>,
    changes: &[Change<'_>],
    entered: &mut Entered,
) -> Result<usize, redb::StorageError> {
    let run = run(table, changes)?;
    let Some((first, ..)) = run.first().filter(|_| run.len() >= LEAST_RUN) else { return Ok(0) };
    let mut cursor = table.lower_bound_mut(Bound::Included(*first))?;
    let mut packed = 0;
    for (key, waiting, _) in run {
        let Waiting::Value(value) = waiting else { break };
        match cursor.insert_before(key, value) {
            Ok(()) => {}
            Err(CursorError::Storage(error)) => return Err(error),
            // There was a record between them after all: the page did not take this record.
            Err(_) => break,
        }
        entered.add(key, value);
        packed += 1;
    }
    cursor.close()?;
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use redb::{Database, ReadableTableMetadata, TableDefinition, backends::InMemoryBackend};

    use super::*;
    use crate::record::{key, key2};

    const TABLE: TableDefinition<Bytes, Bytes> = TableDefinition::new("t");

    type Model = BTreeMap<Vec<u8>, Vec<u8>>;

    /// A table into which changes are entered, and its expected content.
    struct Pair {
        db: Database,
        model: Model,
        bytes: u64,
    }

    impl Pair {
        fn new() -> Self {
            let db = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
            Self { db, model: Model::new(), bytes: 0 }
        }

        /// Enters `changes`, and compares the resulting content.
        fn enter(&mut self, changes: &[(Vec<u8>, Option<Vec<u8>>)]) {
            let mut pending = Pending::default();
            for (key, value) in changes {
                let is_there = self.model.contains_key(key);
                match value {
                    Some(value) if is_there => pending.put(key, value),
                    Some(value) => pending.add(key, value),
                    None => pending.remove(key, false),
                };
            }
            for (key, value) in changes {
                match value {
                    Some(value) => self.model.insert(key.clone(), value.clone()),
                    None => self.model.remove(key),
                };
            }
            let txn = self.db.begin_write().unwrap();
            {
                let mut table = txn.open_table(TABLE).unwrap();
                let entered = enter(&pending, &mut table).unwrap();
                self.bytes = self.bytes + entered.added_bytes - entered.removed_bytes;
                let found = table.range::<&[u8]>(..).unwrap().map(|record| {
                    let (key, value) = record.unwrap();
                    (key.value().to_vec(), value.value().to_vec())
                });
                assert!(found.eq(self.model.clone()));
            }
            txn.commit().unwrap();
            assert_eq!(self.bytes, self.model.iter().map(|(key, value)| size_of_record(key, value)).sum());
        }
    }

    #[test]
    fn runs_and_scattered_records_are_entered_alike() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..20 {
            let mut pair = Pair::new();
            for _ in 0..20 {
                let mut changes = BTreeMap::new();
                for _ in 0..random.usize(1..6) {
                    let (tag, first) = (random.u8(1..5), random.u64(..3000));
                    let (count, step) = (random.u64(1..200), random.u64(1..4));
                    let is_run_made = random.bool();
                    for number in (0..count).map(|index| first + index * step) {
                        // Mostly whole runs are added or removed.
                        let is_made = is_run_made != (random.u8(..30) == 0);
                        let value = is_made.then(|| vec![tag; random.usize(..100)]);
                        changes.insert(key2(tag, 7, number).to_vec(), value);
                    }
                    for number in (0..count).map(|index| first + index) {
                        let gone = random.u8(..4) > 0;
                        let key = key(tag, number).to_vec();
                        changes.insert(key, (!gone).then(|| vec![1; 40]));
                    }
                }
                pair.enter(&changes.into_iter().collect::<Vec<_>>());
            }
            let all: Vec<_> = pair.model.keys().map(|key| (key.clone(), None)).collect();
            pair.enter(&all);
            assert!(pair.model.is_empty() && pair.bytes == 0);
        }
    }

    #[test]
    fn records_that_follow_each_other_fill_their_pages() {
        let mut pair = Pair::new();
        for batch in 0..10u64 {
            let records = (0..500).map(|index| (key(1, batch * 500 + index).to_vec(), Some(vec![1; 49])));
            pair.enter(&records.collect::<Vec<_>>());
        }
        let txn = pair.db.begin_write().unwrap();
        let stats = txn.open_table(TABLE).unwrap().stats().unwrap();
        let full = stats.stored_bytes() as f64 / (stats.leaf_pages() * 4096) as f64;
        // Entered one by one, they would leave pages half full.
        assert!(full > 0.8, "pages are {full} full: {stats:?}");
    }
}
