//! A second chance for calls that have no answer yet, before their guest is suspended.
//!
//! Suspending a guest and going on with it costs more than many a call. Where the process that answers has a higher
//! priority, its answer is there as soon as the call has left, so it is worth looking before giving up the guest's turn.
//! Where that was in vain, other attempts are left out for a while.
//!
//! Calls on open files do so before they are awaited at all ([`Push::call`]), all others once they were in vain.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;

/// After an attempt in vain, this many calls go without one.
const SKIPPED: u32 = 31;
/// Every so many attempts that brought an answer, one is left out, so that other instances have their turn.
const IN_A_ROW: u32 = 16;

thread_local! {
    static PUSH: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// Sets the function that hands calls that were made on this thread to their servers, and takes answers, without waiting. It
/// must not poll any future.
pub fn set_push(push: fn()) {
    PUSH.set(Some(push));
}

/// Hit or miss history of one instance or file; decides when to look at once.
#[derive(Default)]
pub(crate) struct Push {
    skip: Cell<u32>,
    in_a_row: Cell<u32>,
}

impl Push {
    /// Hands calls on, if that is possible and promising; then it is worth looking for the answer.
    pub(crate) fn attempt(&self) -> bool {
        let Some(push) = PUSH.get() else { return false };
        let skip = self.skip.get();
        if skip > 0 {
            self.skip.set(skip - 1);
            return false;
        }
        push();
        true
    }

    /// Notes whether the attempt brought an answer.
    pub(crate) fn note(&self, answered: bool) {
        let in_a_row = if answered { self.in_a_row.get() + 1 } else { 0 };
        let row_ends = in_a_row == IN_A_ROW;
        self.in_a_row.set(if row_ends { 0 } else { in_a_row });
        if !answered {
            self.skip.set(SKIPPED);
        } else if row_ends {
            self.skip.set(1);
        }
    }

    /// Awaits a call that was just made, and hands it on first.
    pub(crate) async fn call<C: Future + Unpin>(&self, mut call: C) -> C::Output {
        let mut attempted = self.attempt();
        poll_fn(|context| {
            let polled = Pin::new(&mut call).poll(context);
            if std::mem::take(&mut attempted) {
                self.note(polled.is_ready());
            }
            polled
        })
        .await
    }
}
