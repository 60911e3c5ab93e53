//! Cached blocks of files: those written but not stored yet, and some that were read.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::layout::{BLOCK, BLOCK64};
use crate::record::Ino;

/// The content of one block.
pub(crate) type Block = Box<[u8; BLOCK]>;

/// A block of zeros.
pub(crate) fn zero_block() -> Block {
    Box::new([0; BLOCK])
}

#[derive(Debug)]
struct Cached {
    data: Block,
    dirty: bool,
    /// Used since eviction last examined it.
    recent: bool,
    /// Is in `order`.
    queued: bool,
}

/// Blocks by file and index.
#[derive(Debug)]
pub(crate) struct Cache {
    blocks: BTreeMap<(Ino, u64), Cached>,
    dirty: BTreeSet<(Ino, u64)>,
    /// Candidates for eviction, oldest first.
    order: VecDeque<(Ino, u64)>,
    /// Number of blocks of each kind to keep.
    limit: usize,
    /// Sizes of files that have not changed since they were read, in the slot of their number: needed for reads of cached
    /// blocks out of turn.
    sizes: Box<[(Ino, u64); SIZES]>,
    /// Whether an operation that changes something is in progress, so that the cache may hold part of a change.
    pub(crate) is_half_done: bool,
}

/// Number of slots for sizes of files.
pub(crate) const SIZES: usize = 256;
/// A number that no file has.
const NO_FILE: Ino = 0;

impl Cache {
    /// Holds up to `limit` clean blocks, and requests a flush at as many dirty ones.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            blocks: BTreeMap::new(),
            dirty: BTreeSet::new(),
            order: VecDeque::new(),
            limit: limit.max(8),
            sizes: Box::new([(NO_FILE, 0); SIZES]),
            is_half_done: false,
        }
    }

    fn size_place(&mut self, ino: Ino) -> Option<&mut (Ino, u64)> {
        self.sizes.get_mut(ino as usize % SIZES)
    }

    /// Records the size of a file that is being read.
    #[inline]
    pub(crate) fn remember_size(&mut self, ino: Ino, size: u64) {
        if let Some(place) = self.size_place(ino) {
            *place = (ino, size);
        }
    }

    /// Forgets the size of a file that is about to change.
    #[inline]
    pub(crate) fn forget_size(&mut self, ino: Ino) {
        if let Some(place) = self.size_place(ino).filter(|place| place.0 == ino) {
            place.0 = NO_FILE;
        }
    }

    /// The number of bytes that a read of `most` at `offset` returns, if all of them are cached and no operation is half done.
    pub(crate) fn readable(&mut self, ino: Ino, offset: u64, most: usize) -> Option<usize> {
        let (known, size) = *self.size_place(ino)?;
        if self.is_half_done || known != ino || ino == NO_FILE {
            return None;
        }
        let length = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX).min(most);
        let blocks = offset / BLOCK64..(offset + length as u64).div_ceil(BLOCK64);
        (length == 0 || blocks.into_iter().all(|index| self.contains(ino, index))).then_some(length)
    }

    /// Writes into a block at `offset` of the file if the block is already dirty; otherwise returns false.
    pub(crate) fn write_dirty(&mut self, ino: Ino, index: u64, offset: u64, data: &[u8]) -> bool {
        let Some(block) = self.dirty(ino, index) else { return false };
        let start = (offset % BLOCK64) as usize;
        block[start..start + data.len()].copy_from_slice(data);
        true
    }

    pub(crate) fn get(&mut self, ino: Ino, index: u64) -> Option<&[u8; BLOCK]> {
        let cached = self.blocks.get_mut(&(ino, index))?;
        cached.recent = true;
        Some(&cached.data)
    }

    pub(crate) fn contains(&self, ino: Ino, index: u64) -> bool {
        self.blocks.contains_key(&(ino, index))
    }

    /// Adds a block that matches its stored content.
    pub(crate) fn insert_clean(&mut self, ino: Ino, index: u64, data: Block) {
        let key = (ino, index);
        self.blocks.insert(key, Cached { data, dirty: false, recent: false, queued: true });
        self.order.push_back(key);
    }

    /// The block, for modification; zeroed if it is not cached. It becomes dirty.
    pub(crate) fn change(&mut self, ino: Ino, index: u64) -> &mut [u8; BLOCK] {
        let key = (ino, index);
        let cached = self.blocks.entry(key).or_insert_with(|| Cached {
            data: zero_block(),
            dirty: false,
            recent: true,
            queued: false,
        });
        if !cached.dirty {
            cached.dirty = true;
            self.dirty.insert(key);
        }
        &mut cached.data
    }

    /// The block, for modification, if it is already dirty.
    fn dirty(&mut self, ino: Ino, index: u64) -> Option<&mut [u8; BLOCK]> {
        self.blocks.get_mut(&(ino, index)).filter(|cached| cached.dirty).map(|cached| &mut *cached.data)
    }

    pub(crate) fn is_dirty(&self, ino: Ino, index: u64) -> bool {
        self.dirty.contains(&(ino, index))
    }

    /// The block was stored.
    pub(crate) fn set_clean(&mut self, ino: Ino, index: u64) {
        let key = (ino, index);
        self.dirty.remove(&key);
        if let Some(cached) = self.blocks.get_mut(&key) {
            cached.dirty = false;
            if !cached.queued {
                cached.queued = true;
                self.order.push_back(key);
            }
        }
    }

    pub(crate) fn dirty_count(&self) -> usize {
        self.dirty.len()
    }

    /// Whether dirty blocks should be stored.
    pub(crate) fn wants_flush(&self) -> bool {
        self.dirty.len() >= self.limit
    }

    /// The first dirty blocks, at most `most`, ordered by file and index.
    pub(crate) fn first_dirty(&self, most: usize) -> Vec<(Ino, u64)> {
        self.dirty.iter().take(most).copied().collect()
    }

    /// Indices of dirty blocks of a file.
    pub(crate) fn dirty_within(&self, ino: Ino, range: std::ops::Range<u64>) -> Vec<u64> {
        self.dirty.range((ino, range.start)..(ino, range.end)).map(|(_, index)| *index).collect()
    }

    /// Drops all blocks of a file from `index` on.
    pub(crate) fn cut(&mut self, ino: Ino, index: u64) {
        let gone: Vec<_> = self.blocks.range((ino, index)..=(ino, u64::MAX)).map(|(key, _)| *key).collect();
        for key in gone {
            self.blocks.remove(&key);
            self.dirty.remove(&key);
        }
        // This leaves entries of removed blocks in the queue, and they are not cleaned up otherwise until
        // something is evicted.
        if self.order.len() > 2 * (self.blocks.len() + self.limit) {
            let blocks = &mut self.blocks;
            self.order
                .retain(|key| blocks.get_mut(key).is_some_and(|block| std::mem::take(&mut block.queued)));
            for key in &self.order {
                if let Some(block) = blocks.get_mut(key) {
                    block.queued = true;
                }
            }
        }
    }

    /// Drops clean blocks that were not used recently until the limit is met.
    pub(crate) fn evict(&mut self) {
        while self.blocks.len() - self.dirty.len() > self.limit {
            let Some(key) = self.order.pop_front() else { return };
            let Some(cached) = self.blocks.get_mut(&key) else { continue };
            if cached.dirty {
                cached.queued = false;
            } else if cached.recent {
                cached.recent = false;
                self.order.push_back(key);
            } else {
                self.blocks.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_come_and_go_leave_nothing_behind() {
        let mut cache = Cache::new(8);
        for round in 0..1000 {
            for index in 0..5 {
                cache.change(1, index);
                cache.set_clean(1, index);
            }
            cache.insert_clean(2, round, zero_block());
            cache.cut(1, 0);
            cache.evict();
            assert!(cache.order.len() <= 2 * (8 + 8) + 6, "{} places after {round}", cache.order.len());
        }
        // Each remaining block has one queue entry, so that it can be evicted.
        let mut places: Vec<_> = cache.order.iter().filter(|key| cache.blocks.contains_key(key)).collect();
        places.sort_unstable();
        assert_eq!(places, cache.blocks.keys().collect::<Vec<_>>());
    }
}
