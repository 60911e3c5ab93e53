//! How long threads of one priority run before the next of them does.
//!
//! A turn belongs to a priority, not to a thread: whoever is switched to directly runs on the turn that is under way at its
//! priority, so two threads that keep waking each other share one turn. It ends at a time, whatever ran meanwhile: a
//! thread that is preempted, or whose call a server of higher priority answers, does not begin a new one by that.

use crate::run_queue::PRIORITIES;

/// How long a turn is.
pub const TURN_NS: u64 = 5_000_000;

/// The turn that the first of its priority runs on when it is taken from the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// A turn of its own.
    New,
    /// The rest of the one in which it was preempted.
    Rest,
    /// The one in which it was preempted is over: the next of its priority is to run.
    Over,
}

/// The turns under way on one CPU.
pub struct Turns {
    /// By priority: when its turn ends; 0 while nobody else of that priority wants to run.
    end_ns: [u64; PRIORITIES],
    /// Bit `p` is set while the first in the queue of priority `p` was preempted in the turn that is under way.
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
    /// No turn under way.
    #[must_use]
    pub const fn new() -> Self {
        Self { end_ns: [0; PRIORITIES], preempted: 0 }
    }

    /// When the turn at `priority` ends, now that another of that priority waits for it. One that has no end yet, or
    /// whose end passed while nobody waited, gets one.
    #[inline]
    pub fn end_ns(&mut self, priority: u8, now_ns: u64) -> u64 {
        let end_ns = &mut self.end_ns[level(priority)];
        if *end_ns <= now_ns {
            *end_ns = now_ns + TURN_NS;
        }
        *end_ns
    }

    /// When the timer is to interrupt for the turn at `priority`, now that another of that priority waits for it. An interrupt
    /// that is set for `timer_ns` and due by now comes as soon as it can, and ends a turn that is over; a new end for
    /// that turn would let a thread go on for ever whose turns always end while the kernel works for it.
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

    /// Ends the turn at `priority` if it is over. Whether it was.
    #[inline]
    pub fn end_if_over(&mut self, priority: u8, now_ns: u64) -> bool {
        let is_over = self.is_over(priority, now_ns);
        if is_over {
            self.end_ns[level(priority)] = 0;
        }
        is_over
    }

    /// The running thread of `priority` becomes the first in the queue; the turn stays its own.
    #[inline]
    pub const fn preempt(&mut self, priority: u8) {
        self.preempted |= 1 << level(priority);
    }

    /// The first in the queue of `priority` is taken out to run.
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
