//! The changes to a volume between two points in time.

use std::collections::BTreeMap;

use capos_volume::Kind;

use super::Entry;

/// The change to one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// The entry that was removed or replaced.
    pub(super) removes: Option<Kind>,
    /// The entry that is there now.
    pub(super) adds: Option<Entry>,
}

/// Every path that differs, sorted by path: a directory comes before its entries.
pub(super) fn between(
    before: &BTreeMap<String, Entry>,
    after: &BTreeMap<String, Entry>,
) -> BTreeMap<String, Change> {
    let mut changes = BTreeMap::new();
    for (path, old) in before {
        let new = after.get(path);
        if new.is_some_and(|new| same(old, new)) {
            continue;
        }
        changes.insert(path.clone(), Change { removes: Some(old.kind), adds: new.copied() });
    }
    for (path, new) in after.iter().filter(|(path, _)| !before.contains_key(*path)) {
        changes.insert(path.clone(), Change { removes: None, adds: Some(*new) });
    }
    changes
}

/// Whether an entry is unchanged. A directory's entries are compared separately, so all directories are equal.
fn same(old: &Entry, new: &Entry) -> bool {
    old == new || old.kind == Kind::Directory && new.kind == Kind::Directory
}
