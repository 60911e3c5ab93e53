//! What was done to a volume between two moments.

use std::collections::BTreeMap;

use capos_volume::Kind;

use super::Entry;

/// What has to be done to one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// What was there is gone or has been replaced.
    pub(super) removes: Option<Kind>,
    /// What is there now.
    pub(super) adds: Option<Entry>,
}

/// Every path that differs, in the order of paths: a directory comes before what is in it.
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

/// What is in a directory has entries of its own, so a directory is as good as another.
fn same(old: &Entry, new: &Entry) -> bool {
    old == new || old.kind == Kind::Directory && new.kind == Kind::Directory
}
