//! Deadlines: a binary heap for each priority, with entries that can be cancelled.
//!
//! Handling a deadline is work for the thread that waits for it, so it has that thread's priority. If several
//! deadlines have passed, those of higher priorities are handled first, and those below the *floor* are ignored
//! until the floor is lowered: a running thread is not interrupted for one of lower priority.

use crate::{
    OutOfMemory,
    arena::{Arena, Id},
    reserve,
    run_queue::PRIORITIES,
    walk::{Flaw, Walk},
};
use alloc::vec::Vec;

/// One entry of [`Timers<T>`]. Other modules use only its id.
pub struct Timer<T> {
    deadline_ns: u64,
    /// Its position in the heap of its priority.
    position: u32,
    priority: u8,
    event: T,
}

/// Identifies a timer until it fires or is cancelled.
pub type TimerId<T> = Id<Timer<T>>;

/// Events by priority and deadline. Events with equal priority and deadline are in no particular order.
pub struct Timers<T> {
    timers: Arena<Timer<T>>,
    heaps: [Vec<(u64, u32)>; PRIORITIES],
    /// Bit `p` is set while there is a timer of priority `p`.
    in_use: u32,
    /// Timers of lower priorities are ignored.
    floor: u8,
    /// The earliest deadline at or above the floor; `u64::MAX` without one.
    earliest_ns: u64,
}

const fn level(priority: u8) -> usize {
    let priority = priority as usize;
    if priority < PRIORITIES { priority } else { PRIORITIES - 1 }
}

impl<T> Timers<T> {
    /// Holds at most `limit` timers at a time.
    #[must_use]
    pub const fn new(limit: u32) -> Self {
        Self {
            timers: Arena::new(limit),
            heaps: [const { Vec::new() }; PRIORITIES],
            in_use: 0,
            floor: 0,
            earliest_ns: u64::MAX,
        }
    }

    /// The earliest deadline at or above the floor; `u64::MAX` without one.
    #[must_use]
    #[inline]
    pub const fn earliest_ns(&self) -> u64 {
        self.earliest_ns
    }

    /// The lowest priority whose timers are considered.
    #[must_use]
    #[inline]
    pub const fn floor(&self) -> u8 {
        self.floor
    }

    /// Sets the lowest priority whose timers are considered.
    pub fn set_floor(&mut self, priority: u8) {
        self.floor = priority;
        self.find_earliest();
    }

    /// Number of timers that are set.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.timers.len() as usize
    }

    /// Whether no timer is set.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.timers.is_empty()
    }

    /// The priorities at or above the floor that have timers, the highest first.
    fn levels(&self) -> impl Iterator<Item = usize> + use<T> {
        let mut left = self.in_use & (u32::MAX << level(self.floor));
        core::iter::from_fn(move || {
            let highest = left.checked_ilog2()?;
            left ^= 1 << highest;
            Some(highest as usize)
        })
    }

    fn find_earliest(&mut self) {
        let heads = self.levels().filter_map(|level| self.heaps[level].first());
        self.earliest_ns = heads.map(|&(deadline_ns, _)| deadline_ns).min().unwrap_or(u64::MAX);
    }

    /// Sets a timer for a thread of `priority`.
    ///
    /// # Errors
    /// If memory or the limit do not allow it.
    pub fn insert(&mut self, deadline_ns: u64, priority: u8, event: T) -> Result<TimerId<T>, OutOfMemory> {
        let level = level(priority);
        let heap = &mut self.heaps[level];
        reserve(heap, 1)?;
        let position = heap.len();
        let id = self.timers.insert(Timer { deadline_ns, position: position as u32, priority, event })?;
        heap.push((deadline_ns, id.index()));
        self.in_use |= 1 << level;
        self.sift_up(level, position);
        if priority >= self.floor {
            self.earliest_ns = self.earliest_ns.min(deadline_ns);
        }
        Ok(id)
    }

    /// Removes a timer before it fires.
    pub fn cancel(&mut self, id: TimerId<T>) -> Option<T> {
        let Timer { deadline_ns, position, priority, event } = self.timers.remove(id)?;
        let (level, position) = (level(priority), position as usize);
        let last = self.heaps[level].pop()?;
        let left = self.heaps[level].len();
        if position < left {
            self.place(level, position, last);
            self.sift_up(level, position);
            self.sift_down(level, position);
        } else if left == 0 {
            self.in_use &= !(1 << level);
        }
        if deadline_ns <= self.earliest_ns {
            self.find_earliest();
        }
        Some(event)
    }

    /// Removes one event whose deadline is not after `now_ns`, of the highest priority that has one, considering
    /// only those at or above the floor.
    pub fn pop_expired(&mut self, now_ns: u64) -> Option<T> {
        if self.earliest_ns > now_ns {
            return None;
        }
        let is_expired = |&(deadline_ns, index): &(u64, u32)| (deadline_ns <= now_ns).then_some(index);
        let index = self.levels().find_map(|level| self.heaps[level].first().and_then(is_expired))?;
        let id = self.timers.id_at(index)?;
        self.cancel(id)
    }

    fn place(&mut self, level: usize, position: usize, entry: (u64, u32)) {
        if let Some(timer) = self.timers.at_mut(entry.1) {
            timer.position = position as u32;
        }
        self.heaps[level][position] = entry;
    }

    fn swap(&mut self, level: usize, a: usize, b: usize) {
        let (first, second) = (self.heaps[level][a], self.heaps[level][b]);
        self.place(level, a, second);
        self.place(level, b, first);
    }

    fn sift_up(&mut self, level: usize, mut position: usize) {
        while position > 0 {
            let parent = (position - 1) / 2;
            if self.heaps[level][parent].0 <= self.heaps[level][position].0 {
                break;
            }
            self.swap(level, parent, position);
            position = parent;
        }
    }

    fn sift_down(&mut self, level: usize, mut position: usize) {
        loop {
            let heap = &self.heaps[level];
            let mut least = position;
            for child in [2 * position + 1, 2 * position + 2] {
                if child < heap.len() && heap[child].0 < heap[least].0 {
                    least = child;
                }
            }
            if least == position {
                break;
            }
            self.swap(level, least, position);
            position = least;
        }
    }

    /// Whether the heaps are ordered, every timer's position is correct, and so is the earliest deadline.
    ///
    /// # Errors
    /// The first inconsistency found.
    pub fn check(&self, walk: &mut Walk<'_>) -> Result<(), Flaw> {
        let (mut count, mut earliest_ns) = (0, u64::MAX);
        for (level, heap) in self.heaps.iter().enumerate() {
            if heap.is_empty() == (self.in_use >> level & 1 == 1) {
                return Err("the bitmap of priorities with deadlines is wrong".into());
            }
            walk.over(heap.iter().enumerate(), |(position, &(deadline_ns, index))| {
                let is_there = self.timers.at(index).is_some_and(|timer| {
                    timer.position as usize == position
                        && timer.deadline_ns == deadline_ns
                        && self::level(timer.priority) == level
                });
                let is_ordered = heap[position.saturating_sub(1) / 2].0 <= deadline_ns;
                if is_there && is_ordered { Ok(()) } else { Err("deadlines are not in order".into()) }
            })?;
            count += heap.len();
            if level >= self::level(self.floor) {
                earliest_ns = earliest_ns.min(heap.first().map_or(u64::MAX, |first| first.0));
            }
        }
        if count == self.len() && earliest_ns == self.earliest_ns {
            Ok(())
        } else {
            Err("the count of deadlines is wrong".into())
        }
    }
}
