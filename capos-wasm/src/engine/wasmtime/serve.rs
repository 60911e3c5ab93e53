//! Serving a guest's calls of imported functions.

use super::{
    data::{Ended, HostData},
    metering::{charge, is_exhausted},
    pause::Pause,
};
use crate::engine::{Host, Outcome};
use std::{
    future::{poll_fn, ready},
    task::{Context as TaskContext, Poll},
};
use wasmtime::{Caller, Error, Trap};

/// The result of an imported function, as wasmtime expects it.
pub(super) type Served<'a, R> = Box<dyn Future<Output = wasmtime::Result<R>> + Send + 'a>;

/// Serves a guest's call. What `result` makes of the number is returned to the guest.
pub(super) fn host_call<'a, H: Host, R: Send + 'static>(
    mut caller: Caller<'a, HostData<H>>,
    call: H::Call,
    result: fn(u32) -> R,
) -> Served<'a, R> {
    // The guest did not reach a check after it had used its fuel, and must have no effects any more.
    if is_exhausted(&caller) {
        return Box::new(ready(Err(Trap::OutOfFuel.into())));
    }
    let begun = with_memory(&mut caller, |host, memory| host.begin(memory, call));
    let is_turn_over = charge(&mut caller);
    Box::new(async move {
        let (outcome, is_turn_over) = match begun {
            Some(outcome) => (outcome, is_turn_over),
            None => poll_fn(|cx| poll_host(&mut caller, cx)).await,
        };
        if is_turn_over {
            end_turn(&mut caller).await;
        }
        match outcome {
            Outcome::Returned(value) => Ok(result(value)),
            Outcome::Ended(end) => Err(Error::new(Ended(end))),
        }
    })
}

/// Continues the call that waits.
fn poll_host<H: Host>(
    caller: &mut Caller<'_, HostData<H>>,
    cx: &mut TaskContext<'_>,
) -> Poll<(Outcome, bool)> {
    let outcome = with_memory(caller, |host, memory| host.poll(memory, cx));
    let is_turn_over = charge(&mut *caller);
    if outcome.is_pending() {
        caller.data().shared.pause(Pause::Waiting);
    }
    outcome.map(|outcome| (outcome, is_turn_over))
}

fn with_memory<H: Host, R>(
    caller: &mut Caller<'_, HostData<H>>,
    f: impl FnOnce(&mut H, &mut [u8]) -> R,
) -> R {
    match caller.data().memory {
        Some(memory) => {
            let (bytes, data) = memory.data_and_store_mut(&mut *caller);
            f(&mut data.host, bytes)
        }
        None => f(&mut caller.data_mut().host, &mut []),
    }
}

/// Pauses the call once.
async fn end_turn<H: Host>(caller: &mut Caller<'_, HostData<H>>) {
    let mut paused = false;
    poll_fn(|_| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        caller.data().shared.pause(Pause::TurnOver);
        Poll::Pending
    })
    .await;
}
