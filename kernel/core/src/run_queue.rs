//! The run queue of one CPU: fixed priorities, first in first out within each.

use crate::{
    NONE, OutOfMemory, reserve,
    walk::{Flaw, Walk},
};
use alloc::vec::Vec;

/// Priorities are 0 to 31; higher runs first.
pub const PRIORITIES: usize = 32;

#[derive(Clone, Copy)]
struct Link {
    next: u32,
    previous: u32,
    /// [`UNQUEUED`] unless the thread is in the queue.
    priority: u8,
}

const UNQUEUED: u8 = u8::MAX;

/// The ready threads of one CPU, identified by small numbers.
pub struct RunQueue {
    /// Bit `p` is set if a thread of priority `p` is queued.
    ready: u32,
    heads: [u32; PRIORITIES],
    tails: [u32; PRIORITIES],
    links: Vec<Link>,
}

impl Default for RunQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl RunQueue {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> Self {
        Self { ready: 0, heads: [NONE; PRIORITIES], tails: [NONE; PRIORITIES], links: Vec::new() }
    }

    /// Reserves space for thread `thread`, so that queueing it never allocates. To be called when a thread is
    /// created.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn admit(&mut self, thread: u32) -> Result<(), OutOfMemory> {
        let needed = thread as usize + 1;
        if needed > self.links.len() {
            let additional = needed - self.links.len();
            reserve(&mut self.links, additional)?;
            self.links.resize(needed, Link { next: NONE, previous: NONE, priority: UNQUEUED });
        }
        Ok(())
    }

    /// Queues a thread after the others of its priority. Does nothing if it is already queued
    /// or was never admitted.
    #[inline]
    pub fn push_back(&mut self, thread: u32, priority: u8) {
        self.push(thread, priority, false);
    }

    /// Queues a thread before the others of its priority, as for one that was preempted.
    #[inline]
    pub fn push_front(&mut self, thread: u32, priority: u8) {
        self.push(thread, priority, true);
    }

    #[inline]
    fn push(&mut self, thread: u32, priority: u8, front: bool) {
        let level = (priority as usize).min(PRIORITIES - 1);
        let (head, tail) = (self.heads[level], self.tails[level]);
        let Some(link) = self.links.get_mut(thread as usize).filter(|link| link.priority == UNQUEUED) else {
            return;
        };
        link.priority = level as u8;
        self.ready |= 1 << level;
        if front {
            (link.next, link.previous) = (head, NONE);
            self.heads[level] = thread;
            match self.links.get_mut(head as usize) {
                Some(old) => old.previous = thread,
                None => self.tails[level] = thread,
            }
        } else {
            (link.next, link.previous) = (NONE, tail);
            self.tails[level] = thread;
            match self.links.get_mut(tail as usize) {
                Some(old) => old.next = thread,
                None => self.heads[level] = thread,
            }
        }
    }

    /// The highest priority with a queued thread.
    #[must_use]
    #[inline]
    pub const fn highest(&self) -> Option<u8> {
        if self.ready == 0 { None } else { Some(31 - self.ready.leading_zeros() as u8) }
    }

    /// Whether a thread of at least this priority is queued.
    #[must_use]
    #[inline]
    pub const fn has_from(&self, priority: u8) -> bool {
        self.ready >> if (priority as usize) < PRIORITIES { priority as usize } else { PRIORITIES - 1 } != 0
    }

    /// Whether no thread is queued.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.ready == 0
    }

    /// Removes and returns the first thread of the highest priority.
    #[inline]
    pub fn pop(&mut self) -> Option<u32> {
        let thread = self.heads[self.highest()? as usize];
        self.remove(thread);
        Some(thread)
    }

    /// Removes a thread from any position in the queue. `false` if it was not queued.
    #[inline]
    pub fn remove(&mut self, thread: u32) -> bool {
        let Some(link) = self.links.get_mut(thread as usize).filter(|link| link.priority != UNQUEUED) else {
            return false;
        };
        let Link { next, previous, priority } = *link;
        link.priority = UNQUEUED;
        let level = priority as usize;
        match self.links.get_mut(previous as usize) {
            Some(link) => link.next = next,
            None => self.heads[level] = next,
        }
        match self.links.get_mut(next as usize) {
            Some(link) => link.previous = previous,
            None => self.tails[level] = previous,
        }
        if self.heads[level] == NONE {
            self.ready &= !(1 << level);
        }
        true
    }

    /// Whether a thread is queued.
    #[must_use]
    pub fn contains(&self, thread: u32) -> bool {
        self.links.get(thread as usize).is_some_and(|link| link.priority != UNQUEUED)
    }

    /// Whether links, ends and the bitmap are consistent.
    ///
    /// # Errors
    /// The first inconsistency found.
    pub fn check(&self, walk: &mut Walk<'_>) -> Result<(), Flaw> {
        let wrong = Err(Flaw::Found("a run queue's links disagree"));
        let mut seen = 0;
        for level in 0..PRIORITIES {
            let (mut previous, mut thread) = (NONE, self.heads[level]);
            if (thread != NONE) != (self.ready >> level & 1 == 1) {
                return wrong;
            }
            while let Some(link) = self.links.get(thread as usize) {
                walk.look()?;
                if link.previous != previous || link.priority as usize != level || seen > self.links.len() {
                    return wrong;
                }
                seen += 1;
                (previous, thread) = (thread, link.next);
            }
            if self.tails[level] != previous {
                return wrong;
            }
        }
        let mut queued = 0;
        walk.over(&self.links, |link| {
            queued += usize::from(link.priority != UNQUEUED);
            Ok(())
        })?;
        if seen == queued { Ok(()) } else { wrong }
    }
}
