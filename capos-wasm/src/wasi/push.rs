//! A second chance for calls that have no answer yet, before their guest is suspended.
//!
//! Suspending a guest and going on with it costs more than many a call. Where the process that answers has a higher
//! priority, its answer is there as soon as the call has left, so it is worth looking before giving up the guest's turn.
//! Where that was in vain, other attempts are left out for a while.

use std::cell::Cell;

/// After an attempt in vain, this many calls go without one.
const SKIPPED: u32 = 31;
/// Every so many attempts that brought an answer, one is left out, so that other instances have their turn.
const IN_A_ROW: u32 = 16;

thread_local! {
    static PUSH: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// Says what hands calls that were made on this thread to whoever answers them, and takes answers, without waiting. It
/// must not poll any future.
pub fn set_push(push: fn()) {
    PUSH.set(Some(push));
}

/// One instance's luck with it.
#[derive(Default)]
pub(super) struct Push {
    skip: u32,
    in_a_row: u32,
}

impl Push {
    /// Hands calls on, if that is possible and promising; then it is worth looking for the answer again.
    pub(super) fn attempt(&mut self) -> bool {
        let Some(push) = PUSH.get() else { return false };
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        push();
        true
    }

    /// Notes whether the attempt brought an answer.
    pub(super) fn note(&mut self, answered: bool) {
        self.in_a_row = if answered { self.in_a_row + 1 } else { 0 };
        if !answered {
            self.skip = SKIPPED;
        } else if self.in_a_row == IN_A_ROW {
            (self.in_a_row, self.skip) = (0, 1);
        }
    }
}
