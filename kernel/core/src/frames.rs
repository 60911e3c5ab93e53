//! Which physical frames are free: a bitmap with two levels of summaries, so that finding, taking and giving
//! back a frame each look at three words however much memory there is.

use crate::OutOfMemory;
use alloc::vec::Vec;

/// Frames are numbered by physical address / 4096.
pub struct FrameAllocator {
    /// A set bit is a free frame.
    bits: Vec<u64>,
    /// A set bit is a word of `bits` that is not zero.
    groups: Vec<u64>,
    /// A set bit is a word of `groups` that is not zero.
    summary: Vec<u64>,
    free: u64,
    total: u64,
}

fn zeroed(words: usize) -> Result<Vec<u64>, OutOfMemory> {
    let mut vec = Vec::new();
    vec.try_reserve_exact(words)?;
    vec.resize(words, 0);
    Ok(vec)
}

impl FrameAllocator {
    /// An allocator for frames below `frame_limit`, none of them free yet. Needs about 1 bit per frame.
    ///
    /// # Errors
    /// When there is no memory for the bitmap.
    pub fn new(frame_limit: u64) -> Result<Self, OutOfMemory> {
        let words = usize::try_from(frame_limit.div_ceil(64)).map_err(|_| OutOfMemory)?;
        Ok(Self {
            bits: zeroed(words)?,
            groups: zeroed(words.div_ceil(64))?,
            summary: zeroed(words.div_ceil(64 * 64))?,
            free: 0,
            total: 0,
        })
    }

    /// Adds the frames `start..end` to the free ones. Frames beyond the limit are ignored, and
    /// frames that are free already stay so.
    pub fn add_range(&mut self, start: u64, end: u64) {
        let end = end.min(self.bits.len() as u64 * 64);
        let mut frame = start;
        while frame < end {
            let (word, first) = ((frame / 64) as usize, frame % 64);
            let count = (64 - first).min(end - frame);
            let mask = (u64::MAX >> (64 - count)) << first;
            let added = u64::from((mask & !self.bits[word]).count_ones());
            self.bits[word] |= mask;
            self.mark(word);
            self.free += added;
            self.total += added;
            frame += count;
        }
    }

    /// Frames that can be had now.
    #[must_use]
    pub const fn free(&self) -> u64 {
        self.free
    }

    /// Frames that were ever added.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    #[inline]
    fn mark(&mut self, word: usize) {
        self.groups[word / 64] |= 1 << (word % 64);
        self.summary[word / 4096] |= 1 << (word / 64 % 64);
    }

    #[inline]
    fn take(&mut self, word: usize, mask: u64) {
        self.bits[word] &= !mask;
        self.free -= u64::from(mask.count_ones());
        if self.bits[word] == 0 {
            self.groups[word / 64] &= !(1 << (word % 64));
            if self.groups[word / 64] == 0 {
                self.summary[word / 4096] &= !(1 << (word / 64 % 64));
            }
        }
    }

    /// Takes a free frame.
    #[inline]
    pub fn allocate(&mut self) -> Option<u64> {
        let top = self.summary.iter().position(|&word| word != 0)?;
        let group = top * 64 + self.summary[top].trailing_zeros() as usize;
        let word = group * 64 + self.groups.get(group)?.trailing_zeros() as usize;
        let bit = self.bits.get(word)?.trailing_zeros();
        self.take(word, 1 << bit);
        Some(word as u64 * 64 + u64::from(bit))
    }

    /// Takes `count` frames that follow each other and returns the first. Looks at every word of the bitmap, but passes over
    /// those that are all used or all free at once.
    pub fn allocate_run(&mut self, count: u64) -> Option<u64> {
        if count == 0 {
            return None;
        }
        let (mut start, mut length) = (0, 0);
        for (index, &word) in self.bits.iter().enumerate() {
            let first = index as u64 * 64;
            let mut at = 0;
            while at < 64 {
                let rest = word >> at;
                let used = u64::from(rest.trailing_zeros()).min(64 - at);
                if used > 0 {
                    length = 0;
                    at += used;
                    continue;
                }
                let free = u64::from((!rest).trailing_zeros()).min(64 - at);
                if length == 0 {
                    start = first + at;
                }
                length += free;
                if length >= count {
                    for taken in start..start + count {
                        self.take((taken / 64) as usize, 1 << (taken % 64));
                    }
                    return Some(start);
                }
                at += free;
            }
        }
        None
    }

    /// Whether a frame can be had.
    #[must_use]
    pub fn is_free(&self, frame: u64) -> bool {
        self.bits.get((frame / 64) as usize).is_some_and(|word| word & 1 << (frame % 64) != 0)
    }

    /// Gives a frame back. `false`, and no change, when it was free or is beyond the limit:
    /// the caller has a bug.
    #[inline]
    #[must_use]
    pub fn release(&mut self, frame: u64) -> bool {
        let word = (frame / 64) as usize;
        let mask = 1 << (frame % 64);
        match self.bits.get_mut(word) {
            Some(bits) if *bits & mask == 0 => *bits |= mask,
            _ => return false,
        }
        self.mark(word);
        self.free += 1;
        true
    }

    /// Whether the summaries and the count agree with the bitmap.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        let summarises = |upper: &[u64], lower: &[u64]| {
            lower.iter().enumerate().all(|(i, &word)| (upper[i / 64] >> (i % 64) & 1 == 1) == (word != 0))
        };
        self.bits.iter().map(|word| u64::from(word.count_ones())).sum::<u64>() == self.free
            && self.free <= self.total
            && summarises(&self.groups, &self.bits)
            && summarises(&self.summary, &self.groups)
    }
}
