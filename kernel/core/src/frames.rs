//! Allocation of physical frames: a bitmap with two levels of summaries, so that finding, allocating and freeing a
//! frame each access three words regardless of the amount of memory.

use crate::{
    OutOfMemory,
    walk::{Flaw, Walk},
};
use alloc::vec::Vec;

/// Frames are numbered by physical address / 4096.
pub struct FrameAllocator {
    /// A set bit is a free frame.
    bits: Vec<u64>,
    /// A set bit is a nonzero word of `bits`.
    groups: Vec<u64>,
    /// A set bit is a nonzero word of `groups`.
    summary: Vec<u64>,
    free: u64,
    total: u64,
}

/// A search for contiguous frames and its progress. Frames may be allocated and freed between its
/// steps.
#[derive(Clone, Copy, Debug)]
pub struct RunSearch {
    count: u64,
    next_word: usize,
    /// Start of the run of free frames before the next word.
    start: u64,
    length: u64,
}

impl RunSearch {
    /// A search for `count` frames, at least one.
    #[must_use]
    pub const fn new(count: u64) -> Self {
        Self { count: if count == 0 { 1 } else { count }, next_word: 0, start: 0, length: 0 }
    }

    /// The number of frames to find.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }
}

/// The result of a step of a search.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Searched {
    /// The frames starting at this one are allocated to the caller.
    Taken(u64),
    /// The search is not complete.
    More,
    /// There are not enough contiguous free frames.
    Nothing,
}

/// The words that contain the bits of `count` frames starting at `start`, each with a mask of these bits.
fn parts(start: u64, count: u64) -> impl Iterator<Item = (usize, u64)> {
    let end = start + count;
    (start / 64..end.div_ceil(64)).map(move |word| {
        let first = start.max(word * 64) - word * 64;
        let last = end.min(word * 64 + 64) - word * 64;
        (word as usize, u64::MAX >> (64 - (last - first)) << first)
    })
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
    /// If there is no memory for the bitmap.
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

    /// Adds the frames `start..end` as free ones. Frames beyond the limit are ignored, and
    /// frames that are already free remain so.
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

    /// Number of free frames.
    #[must_use]
    pub const fn free(&self) -> u64 {
        self.free
    }

    /// Number of frames ever added.
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

    /// Allocates a frame.
    #[inline]
    pub fn allocate(&mut self) -> Option<u64> {
        let top = self.summary.iter().position(|&word| word != 0)?;
        let group = top * 64 + self.summary[top].trailing_zeros() as usize;
        let word = group * 64 + self.groups.get(group)?.trailing_zeros() as usize;
        let bit = self.bits.get(word)?.trailing_zeros();
        self.take(word, 1 << bit);
        Some(word as u64 * 64 + u64::from(bit))
    }

    /// Continues a search for contiguous frames, examining at most `words` words of the bitmap. If it finds them, they
    /// are allocated.
    pub fn search_step(&mut self, search: &mut RunSearch, words: usize) -> Searched {
        for _ in 0..words {
            let Some(&word) = self.bits.get(search.next_word) else { return Searched::Nothing };
            let first = search.next_word as u64 * 64;
            let mut at = 0;
            while at < 64 {
                let rest = word >> at;
                let used = u64::from(rest.trailing_zeros()).min(64 - at);
                if used > 0 {
                    search.length = 0;
                    at += used;
                    continue;
                }
                let free = u64::from((!rest).trailing_zeros()).min(64 - at);
                if search.length == 0 {
                    search.start = first + at;
                }
                search.length += free;
                at += free;
                if search.length >= search.count {
                    // Frames found in earlier steps may have been allocated since.
                    if self.take_run(search.start, search.count) {
                        return Searched::Taken(search.start);
                    }
                    search.length = 0;
                }
            }
            search.next_word += 1;
        }
        Searched::More
    }

    /// Allocates `count` frames starting at `start` if all of them are free.
    fn take_run(&mut self, start: u64, count: u64) -> bool {
        let is_free = parts(start, count)
            .all(|(word, mask)| self.bits.get(word).is_some_and(|bits| bits & mask == mask));
        if is_free {
            parts(start, count).for_each(|(word, mask)| self.take(word, mask));
        }
        is_free
    }

    /// Frees `count` frames starting at `start`. `false` without any change if one of them was already free or is beyond
    /// the limit:
    /// that is a bug of the caller.
    #[must_use]
    pub fn release_run(&mut self, start: u64, count: u64) -> bool {
        let is_used =
            parts(start, count).all(|(word, mask)| self.bits.get(word).is_some_and(|bits| bits & mask == 0));
        if is_used {
            for (word, mask) in parts(start, count) {
                self.bits[word] |= mask;
                self.mark(word);
            }
            self.free += count;
        }
        is_used
    }

    /// Whether a frame is free.
    #[must_use]
    pub fn is_free(&self, frame: u64) -> bool {
        self.bits.get((frame / 64) as usize).is_some_and(|word| word & 1 << (frame % 64) != 0)
    }

    /// Frees a frame. `false` without any change if it was already free or is beyond the limit:
    /// that is a bug of the caller.
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

    /// Whether the summaries and the count are consistent with the bitmap.
    ///
    /// # Errors
    /// The first inconsistency found.
    pub fn check(&self, walk: &mut Walk<'_>) -> Result<(), Flaw> {
        let mut free = 0;
        for (upper, lower) in [(&self.groups, &self.bits), (&self.summary, &self.groups)] {
            walk.over(lower.iter().enumerate(), |(i, &word)| {
                let is_noted = upper[i / 64] >> (i % 64) & 1 == 1;
                if core::ptr::eq(lower, &self.bits) {
                    free += u64::from(word.count_ones());
                }
                if is_noted == (word != 0) { Ok(()) } else { Err("a summary of free frames is wrong".into()) }
            })?;
        }
        if free == self.free && free <= self.total {
            Ok(())
        } else {
            Err("the count of free frames is wrong".into())
        }
    }
}
