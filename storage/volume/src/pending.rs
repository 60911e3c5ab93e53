//! Changed records that have not been entered into the table yet.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::record::size_of_record;

/// The pending state of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting<'a> {
    /// It has this value.
    Value(&'a [u8]),
    /// It is removed.
    Removed,
}

#[derive(Debug)]
struct Record {
    /// `None` for a removal.
    value: Option<Vec<u8>>,
    /// The table has no record with this key, so if it is removed again nothing need be entered.
    is_new: bool,
}

impl Record {
    fn waiting(&self) -> Waiting<'_> {
        self.value.as_deref().map_or(Waiting::Removed, Waiting::Value)
    }
}

/// Changes by key. Each replaces the previous one.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    records: BTreeMap<Vec<u8>, Record>,
    bytes: u64,
}

impl Pending {
    pub(crate) fn get(&self, key: &[u8]) -> Option<Waiting<'_>> {
        self.records.get(key).map(Record::waiting)
    }

    /// Writes a record. Returns whether the record was not among the changed ones.
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) -> bool {
        self.set(key, Some(value), false)
    }

    /// Like `put`, for a record that is not in the table, except for a pending removal.
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) -> bool {
        self.set(key, Some(value), true)
    }

    /// Removes a record. `is_absent` means that the table does not have it.
    pub(crate) fn remove(&mut self, key: &[u8], is_absent: bool) -> bool {
        if self.records.get(key).is_some_and(|record| record.is_new) {
            if let Some(Record { value: Some(value), .. }) = self.records.remove(key) {
                self.bytes = self.bytes.saturating_sub(size_of_record(key, &value));
            }
            return false;
        }
        !is_absent && self.set(key, None, false)
    }

    fn set(&mut self, key: &[u8], value: Option<&[u8]>, is_new: bool) -> bool {
        let size = size_of_record(key, value.unwrap_or_default());
        let value = value.map(<[u8]>::to_vec);
        let fresh = match self.records.entry(key.to_owned()) {
            Entry::Vacant(place) => {
                place.insert(Record { value, is_new });
                true
            }
            Entry::Occupied(mut place) => {
                let old = place.get().value.as_deref().unwrap_or_default();
                self.bytes = self.bytes.saturating_sub(size_of_record(key, old));
                place.get_mut().value = value;
                false
            }
        };
        self.bytes = self.bytes.saturating_add(size);
        fresh
    }

    /// All changes ordered by key, each with whether the table is known to lack this key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], Waiting<'_>, bool)> {
        self.records.iter().map(|(key, record)| (key.as_slice(), record.waiting(), record.is_new))
    }

    /// Changes with keys from `start` up to `end`.
    pub(crate) fn range<'a>(
        &'a self,
        start: &[u8],
        end: &[u8],
    ) -> impl Iterator<Item = (&'a [u8], Waiting<'a>)> + use<'a> {
        use std::ops::Bound::{Excluded, Included};
        let range = self.records.range::<[u8], _>((Included(start), Excluded(end)));
        range.map(|(key, record)| (key.as_slice(), record.waiting()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The size of the changed records, removed ones included.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn clear(&mut self) {
        self.records.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_leaves_nothing_to_enter() {
        let mut pending = Pending::default();
        assert!(pending.add(b"new", b"1"));
        assert!(!pending.put(b"new", b"22"));
        assert_eq!(pending.get(b"new"), Some(Waiting::Value(b"22")));
        assert!(!pending.remove(b"new", false));
        assert!(pending.is_empty() && pending.bytes() == 0);
        assert!(!pending.remove(b"never", true) && pending.is_empty());
        // A record in the table must be removed there, even if it was replaced meanwhile.
        assert!(pending.remove(b"old", false));
        assert!(!pending.add(b"old", b"1"));
        assert!(!pending.remove(b"old", false));
        assert_eq!(pending.get(b"old"), Some(Waiting::Removed));
        assert!(pending.put(b"a", b"x"));
        assert_eq!(pending.iter().map(|(key, ..)| key).collect::<Vec<_>>(), [&b"a"[..], b"old"]);
        assert_eq!(pending.range(b"a", b"old").count(), 1);
        assert_eq!(pending.bytes(), size_of_record(b"a", b"x") + size_of_record(b"old", b""));
        pending.clear();
        assert_eq!((pending.bytes(), pending.get(b"a")), (0, None));
    }
}
