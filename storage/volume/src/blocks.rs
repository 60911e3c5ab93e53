//! Allocation of data blocks. Two bitmaps record which blocks the current state uses, and which the last
//! durable state uses. A block may be written only if the durable state does not use it; that alone makes
//! file data crash-safe.

/// The allocator of data blocks. Block numbers count from the start of the device.
#[derive(Debug)]
pub(crate) struct Blocks {
    first: u32,
    count: u32,
    current: Vec<u64>,
    durable: Vec<u64>,
    /// Words in which the maps may differ. Changes made together are mostly neighbours, recorded once.
    changed: Vec<u32>,
    /// Number of blocks that neither map uses.
    free: u32,
    /// Number of blocks that the current state uses.
    used: u32,
    /// Where the search begins.
    hint: u32,
}

impl Blocks {
    /// All blocks from `first` up to `end` free.
    pub(crate) fn new(first: u32, end: u32) -> Self {
        let count = end.saturating_sub(first);
        let words = count.div_ceil(64) as usize;
        Self {
            first,
            count,
            current: vec![0; words],
            durable: vec![0; words],
            changed: Vec::new(),
            free: count,
            used: 0,
            hint: 0,
        }
    }

    fn place(&self, block: u32) -> Option<(usize, u64)> {
        let index = block.checked_sub(self.first).filter(|i| *i < self.count)?;
        Some((index as usize / 64, 1 << (index % 64)))
    }

    /// While a volume is being opened: marks a block as used by the durable state. False if it is out of
    /// range or already marked.
    pub(crate) fn claim(&mut self, block: u32) -> bool {
        let Some((word, bit)) = self.place(block) else { return false };
        if self.current[word] & bit != 0 {
            return false;
        }
        self.current[word] |= bit;
        self.durable[word] |= bit;
        self.free -= 1;
        self.used += 1;
        true
    }

    /// Blocks that can be allocated before the next commit.
    pub(crate) fn free(&self) -> u32 {
        self.free
    }

    /// Blocks that could be allocated if everything were committed.
    pub(crate) fn free_after_commit(&self) -> u32 {
        self.count - self.used
    }

    /// Number of data blocks.
    pub(crate) fn total(&self) -> u32 {
        self.count
    }

    /// Whether the block may be overwritten in place: the durable state does not use it.
    pub(crate) fn is_fresh(&self, block: u32) -> bool {
        self.place(block).is_some_and(|(word, bit)| self.durable[word] & bit == 0)
    }

    fn note(&mut self, word: u32) {
        if self.changed.last() != Some(&word) {
            self.changed.push(word);
        }
    }

    /// Allocates a free block, near the previous one.
    pub(crate) fn allocate(&mut self) -> Option<u32> {
        if self.free == 0 {
            return None;
        }
        let words = self.current.len() as u32;
        let start = self.hint / 64;
        // One more than the number of words: the first is searched from the hint on, and again from its start
        // at the end.
        for step in 0..=words {
            let word = (start + step) % words;
            let mut open = !(self.current[word as usize] | self.durable[word as usize]);
            if step == 0 {
                open &= u64::MAX << (self.hint % 64);
            }
            let index = word * 64 + open.trailing_zeros();
            if open == 0 || index >= self.count {
                continue;
            }
            self.current[word as usize] |= 1 << (index % 64);
            self.note(word);
            self.free -= 1;
            self.used += 1;
            self.hint = (index + 1) % self.count;
            return Some(self.first + index);
        }
        None
    }

    /// Frees a block: at once if it is fresh, otherwise with the next commit.
    pub(crate) fn release(&mut self, block: u32) {
        let Some((word, bit)) = self.place(block) else { return };
        if self.current[word] & bit == 0 {
            return;
        }
        self.current[word] &= !bit;
        self.used -= 1;
        self.note(word as u32);
        if self.durable[word] & bit == 0 {
            self.free += 1;
        }
    }

    /// The current state has become durable.
    pub(crate) fn committed(&mut self) {
        for word in self.changed.drain(..) {
            let word = word as usize;
            self.durable[word] = self.current[word];
        }
        self.free = self.count - self.used;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_released_block_returns_only_with_the_commit() {
        let mut blocks = Blocks::new(10, 12);
        let (a, b) = (blocks.allocate(), blocks.allocate());
        assert_eq!((a, b, blocks.allocate()), (Some(10), Some(11), None));
        blocks.committed();
        blocks.release(10);
        assert_eq!((blocks.allocate(), blocks.free_after_commit()), (None, 1));
        blocks.committed();
        assert_eq!(blocks.allocate(), Some(10));
        assert!(blocks.is_fresh(10) && !blocks.is_fresh(11));
        // Fresh blocks become free at once.
        blocks.release(10);
        assert_eq!(blocks.allocate(), Some(10));
    }

    #[test]
    fn a_block_is_claimed_once_and_in_range() {
        let mut blocks = Blocks::new(4, 8);
        assert!(blocks.claim(4) && !blocks.claim(4) && !blocks.claim(3) && !blocks.claim(8));
        assert_eq!(blocks.free(), 3);
    }
}
