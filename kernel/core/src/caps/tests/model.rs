//! A plain list of capabilities with their parents.

use super::*;
use std::collections::HashSet;

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) process: u32,
    pub(super) handle: Handle,
    pub(super) parent: Option<usize>,
    pub(super) object: usize,
    pub(super) rights: Rights,
    pub(super) badge: Option<u64>,
    pub(super) alive: bool,
    pub(super) revoked: bool,
}

/// A revocation in progress.
pub(super) struct Ongoing {
    pub(super) revocation: Revocation,
    pub(super) root: usize,
    /// The nodes that must be gone at the end: all those derived from its root, including ones created
    /// meanwhile.
    pub(super) doomed: HashSet<usize>,
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) entries: Vec<Entry>,
}

impl Model {
    pub(super) fn alive(&self) -> impl Iterator<Item = (usize, &Entry)> {
        self.entries.iter().enumerate().filter(|(_, entry)| entry.alive)
    }

    pub(super) fn descendants(&self, root: usize) -> Vec<usize> {
        let below = |mut at: usize| {
            while let Some(parent) = self.entries[at].parent {
                if parent == root {
                    return true;
                }
                at = parent;
            }
            false
        };
        self.alive().map(|(index, _)| index).filter(|&index| below(index)).collect()
    }

    pub(super) fn remove(&mut self, index: usize) {
        let parent = self.entries[index].parent;
        self.entries[index].alive = false;
        for entry in self.entries.iter_mut().filter(|entry| entry.parent == Some(index)) {
            entry.parent = parent;
        }
    }

    pub(super) fn receivers(&self, object: usize) -> usize {
        self.alive().filter(|(_, e)| e.object == object && e.rights.contains(Rights::RECEIVE)).count()
    }

    pub(super) fn clients(&self, object: usize, badge: u64) -> usize {
        self.alive().filter(|(_, e)| e.object == object && e.badge == Some(badge)).count()
    }
}
