//! Time slices ("turns") for threads of the same priority.
//!
//! A turn belongs to a priority, not to a thread: a thread that is switched to directly runs in the current turn of
//! its priority, so two threads that keep waking each other share one turn. A turn ends at a fixed time, regardless
//! of what ran meanwhile: a thread that was preempted, or whose call is served by a server of higher priority, does
//! not start a new one because of that.

use crate::run_queue::PRIORITIES;

/// The length of a turn.
pub const TURN_NS: u64 = 5_000_000;

/// The turn in which the first thread of its priority runs when it is taken from the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// A new turn.
    New,
    /// The rest of the turn in which it was preempted.
    Rest,
    /// The turn in which it was preempted is over: the next thread of its priority is to run.
    Over,
}

/// The current turns on one CPU.
pub struct Turns {
    /// By priority: the end of its turn; 0 while no other thread of that priority is ready.
    end_ns: [u64; PRIORITIES],
    /// Bit `p` is set while the first thread in the queue of priority `p` was preempted in the current turn.
    preempted: u32,
}

impl Default for Turns {
    fn default() -> Self {
        Self::new()
    }
}

#[inline]
const fn level(priority: u8) -> usize {
    let priority = priority as usize;
    if priority < PRIORITIES { priority } else { PRIORITIES - 1 }
}

impl Turns {
    /// No turn is in progress.
    #[must_use]
    pub const fn new() -> Self {
        Self { end_ns: [0; PRIORITIES], preempted: 0 }
    }

    /// The end of the turn at `priority`, given that another thread of that priority is ready. If the turn has no
    /// end yet, or the end passed while no other thread was ready, a new end is set.
    #[inline]
    pub fn end_ns(&mut self, priority: u8, now_ns: u64) -> u64 {
        let end_ns = &mut self.end_ns[level(priority)];
        if *end_ns <= now_ns {
            *end_ns = now_ns + TURN_NS;
        }
        *end_ns
    }

    /// When the timer must interrupt for the turn at `priority`, given that another thread of that priority is
    /// ready. An interrupt that is set for `timer_ns` and already due will come as soon as possible and end a turn
    /// that is over; setting a new end for that turn would let a thread run forever if its turns always end while
    /// the kernel is working for it.
    #[inline]
    pub fn due_ns(&mut self, priority: u8, now_ns: u64, timer_ns: u64) -> u64 {
        if timer_ns <= now_ns { timer_ns } else { self.end_ns(priority, now_ns) }
    }

    /// Whether the turn at `priority` is over.
    #[must_use]
    #[inline]
    pub const fn is_over(&self, priority: u8, now_ns: u64) -> bool {
        let end_ns = self.end_ns[level(priority)];
        end_ns != 0 && end_ns <= now_ns
    }

    /// Ends the turn at `priority` if it is over. Returns whether it was.
    #[inline]
    pub fn end_if_over(&mut self, priority: u8, now_ns: u64) -> bool {
        let is_over = self.is_over(priority, now_ns);
        if is_over {
            self.end_ns[level(priority)] = 0;
        }
        is_over
    }

    /// The running thread of `priority` becomes the first in the queue and keeps its turn.
    #[inline]
    pub const fn preempt(&mut self, priority: u8) {
        self.preempted |= 1 << level(priority);
    }

    /// The first thread in the queue of `priority` is taken out to run.
    #[inline]
    pub fn take(&mut self, priority: u8, now_ns: impl FnOnce() -> u64) -> Turn {
        let (level, bit) = (level(priority), 1 << level(priority));
        if self.preempted & bit != 0 {
            self.preempted &= !bit;
            if !self.is_over(priority, now_ns()) {
                return Turn::Rest;
            }
            self.end_ns[level] = 0;
            return Turn::Over;
        }
        self.end_ns[level] = 0;
        Turn::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_ends_when_somebody_waits_for_it() {
        let mut turns = Turns::new();
        assert!(!turns.is_over(8, u64::MAX), "nobody waits");
        assert_eq!(turns.end_ns(8, 100), 100 + TURN_NS);
        assert_eq!(turns.end_ns(8, 200), 100 + TURN_NS, "it stays the same turn");
        assert!(!turns.is_over(8, 99 + TURN_NS) && turns.is_over(8, 100 + TURN_NS));
        assert!(!turns.end_if_over(8, 99 + TURN_NS) && turns.end_if_over(8, 100 + TURN_NS));
        assert!(!turns.is_over(8, u64::MAX), "it was ended");
        turns.end_ns(8, 200);
        assert!(!turns.is_over(9, u64::MAX), "each priority has its own");
        assert_eq!(turns.take(8, || 300), Turn::New);
        assert!(!turns.is_over(8, u64::MAX));
    }

    #[test]
    fn an_end_that_passed_while_nobody_waited_is_forgotten() {
        let mut turns = Turns::new();
        turns.end_ns(8, 0);
        assert_eq!(turns.end_ns(8, 10 * TURN_NS), 11 * TURN_NS);
    }

    #[test]
    fn a_turn_that_ended_in_the_kernel_is_not_renewed_before_its_interrupt() {
        let mut turns = Turns::new();
        let end_ns = turns.due_ns(8, 100, u64::MAX);
        assert_eq!(end_ns, 100 + TURN_NS);
        assert_eq!(turns.due_ns(8, end_ns - 1, end_ns), end_ns);
        for now_ns in [end_ns, end_ns + 1, end_ns + TURN_NS] {
            assert_eq!(turns.due_ns(8, now_ns, end_ns), end_ns, "its interrupt is pending");
        }
        assert!(turns.end_if_over(8, end_ns + TURN_NS), "and ends it");
        assert_eq!(turns.due_ns(8, end_ns + TURN_NS, u64::MAX), end_ns + 2 * TURN_NS);
    }

    #[test]
    fn who_is_preempted_keeps_the_rest_and_no_more() {
        let mut turns = Turns::new();
        let end_ns = turns.end_ns(8, 100);
        for now_ns in [200, 300, end_ns - 1] {
            turns.preempt(8);
            assert_eq!(turns.take(8, || now_ns), Turn::Rest);
            assert_eq!(turns.end_ns(8, now_ns), end_ns);
        }
        turns.preempt(8);
        assert_eq!(turns.take(8, || end_ns), Turn::Over);
        assert_eq!(turns.take(8, || end_ns), Turn::New);
    }

    #[test]
    fn priorities_out_of_range_share_the_last_level() {
        let mut turns = Turns::new();
        turns.end_ns(200, 0);
        assert!(turns.is_over(31, TURN_NS));
    }
}
