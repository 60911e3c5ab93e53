//! What happens when: a binary heap of deadlines whose entries can be cancelled.

use crate::{
    OutOfMemory,
    arena::{Arena, Id},
};
use alloc::vec::Vec;

/// One entry of [`Timers<T>`]. Only its id is of use to others.
pub struct Timer<T> {
    deadline_ns: u64,
    /// Where in the heap it stands.
    position: u32,
    event: T,
}

/// Names a timer until it fires or is cancelled.
pub type TimerId<T> = Id<Timer<T>>;

/// Events by deadline. Events with the same deadline come in any order.
pub struct Timers<T> {
    timers: Arena<Timer<T>>,
    heap: Vec<(u64, u32)>,
}

impl<T> Timers<T> {
    /// No more than `limit` timers at a time.
    #[must_use]
    pub const fn new(limit: u32) -> Self {
        Self { timers: Arena::new(limit), heap: Vec::new() }
    }

    /// The earliest deadline.
    #[must_use]
    #[inline]
    pub fn next_deadline(&self) -> Option<u64> {
        self.heap.first().map(|&(deadline_ns, _)| deadline_ns)
    }

    /// How many timers are set.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether none is set.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Sets a timer.
    ///
    /// # Errors
    /// When memory or the limit do not allow it.
    pub fn insert(&mut self, deadline_ns: u64, event: T) -> Result<TimerId<T>, OutOfMemory> {
        self.heap.try_reserve(1)?;
        let position = self.heap.len();
        let id = self.timers.insert(Timer { deadline_ns, position: position as u32, event })?;
        self.heap.push((deadline_ns, id.index()));
        self.sift_up(position);
        Ok(id)
    }

    /// Takes a timer away before it fires.
    pub fn cancel(&mut self, id: TimerId<T>) -> Option<T> {
        let position = self.timers.get(id)?.position as usize;
        let event = self.timers.remove(id)?.event;
        let last = self.heap.pop()?;
        if position < self.heap.len() {
            self.place(position, last);
            self.sift_up(position);
            self.sift_down(position);
        }
        Some(event)
    }

    /// Takes one event whose deadline is not after `now_ns`.
    pub fn pop_expired(&mut self, now_ns: u64) -> Option<T> {
        let &(deadline_ns, index) = self.heap.first()?;
        if deadline_ns > now_ns {
            return None;
        }
        let id = self.timers.id_at(index)?;
        self.cancel(id)
    }

    fn place(&mut self, position: usize, entry: (u64, u32)) {
        if let Some(timer) = self.timers.at_mut(entry.1) {
            timer.position = position as u32;
        }
        self.heap[position] = entry;
    }

    fn swap(&mut self, a: usize, b: usize) {
        let (first, second) = (self.heap[a], self.heap[b]);
        self.place(a, second);
        self.place(b, first);
    }

    fn sift_up(&mut self, mut position: usize) {
        while position > 0 {
            let parent = (position - 1) / 2;
            if self.heap[parent].0 <= self.heap[position].0 {
                break;
            }
            self.swap(parent, position);
            position = parent;
        }
    }

    fn sift_down(&mut self, mut position: usize) {
        loop {
            let mut least = position;
            for child in [2 * position + 1, 2 * position + 2] {
                if child < self.heap.len() && self.heap[child].0 < self.heap[least].0 {
                    least = child;
                }
            }
            if least == position {
                break;
            }
            self.swap(least, position);
            position = least;
        }
    }

    /// Whether the heap is ordered and every timer knows its place.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        self.heap.len() == self.timers.len() as usize
            && self.heap.iter().enumerate().all(|(position, &(deadline_ns, index))| {
                self.timers.at(index).is_some_and(|timer| {
                    timer.position as usize == position && timer.deadline_ns == deadline_ns
                }) && self.heap[position.saturating_sub(1) / 2].0 <= deadline_ns
            })
    }
}
