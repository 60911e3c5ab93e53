//! An additional attempt to obtain a call's result before its guest is suspended.
//!
//! Suspending and resuming a guest costs more than many a call. If the serving process has a higher
//! priority, its result is available as soon as the call has been submitted, so it is worth checking before the guest's
//! turn ends.
//! After an unsuccessful attempt, further ones are skipped for a while.
//!
//! Calls on open files and writes to consoles do this before they are awaited at all ([`Push::call`]), all other calls only
//! after a poll was not ready.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;

/// The number of calls without an attempt after an unsuccessful one.
const SKIPPED: u32 = 31;
/// After this many successful attempts, one is skipped, so that other instances get their turn.
const IN_A_ROW: u32 = 16;

thread_local! {
    static PUSH: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// Sets the function that submits this thread's calls to their servers and processes results, without waiting. It
/// must not poll any future.
pub fn set_push(push: fn()) {
    PUSH.set(Some(push));
}

/// The success history of one instance or file; decides whether to attempt.
#[derive(Default)]
pub(crate) struct Push {
    skip: Cell<u32>,
    in_a_row: Cell<u32>,
}

impl Push {
    /// Submits calls if that is possible and promising. If it returns true, the result should be checked.
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

    /// Records whether the attempt brought a result.
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

    /// Awaits a call that was just made, after submitting it.
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
