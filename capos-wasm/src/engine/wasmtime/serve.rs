//! Serving a guest's calls of imported functions.

use super::{
    data::{Ended, HostData, Local},
    metering::{charge, is_exhausted},
    pause::Pause,
};
use crate::engine::{Host, Outcome};
use std::task::{Context as TaskContext, Poll};
use wasmtime::{AsContextMut, Caller, Error, StoreContextMut, Trap};

/// Serves a guest's call. What `result` makes of the number is returned to the guest.
pub(super) fn host_call<H: Host, R>(
    mut caller: Caller<'_, HostData<H>>,
    call: H::Call,
    result: impl FnOnce(u32) -> R,
) -> wasmtime::Result<R> {
    // The guest did not reach a check after it had used its fuel, and must have no effects any more.
    if is_exhausted(&caller) {
        return Err(Trap::OutOfFuel.into());
    }
    let mut store = caller.as_context_mut();
    let (begun, mut is_turn_over) = work(&mut store, |host, memory| host.begin(memory, call));
    let outcome = match begun {
        Some(outcome) => outcome,
        None => {
            let outcome;
            (outcome, is_turn_over) = store.wait(poll_host)?;
            outcome
        }
    };
    if is_turn_over {
        end_turn(&mut store)?;
    }
    match outcome {
        Outcome::Returned(value) => Ok(result(value)),
        Outcome::Ended(end) => Err(Error::new(Ended(*end))),
    }
}

/// Continues the call that waits.
fn poll_host<H: Host>(
    store: &mut StoreContextMut<'_, HostData<H>>,
    cx: &mut TaskContext<'_>,
) -> Poll<(Outcome, bool)> {
    let (outcome, is_turn_over) = work(store, |host, memory| host.poll(memory, cx));
    if outcome.is_pending() {
        store.data().local.shared.pause(Pause::Waiting);
    }
    outcome.map(|outcome| (outcome, is_turn_over))
}

/// Has the host work for the guest, and charges the guest for that. Also returns whether the guest's turn is over: it would
/// have been interrupted meanwhile, if it had not called the host.
fn work<H: Host, R>(
    store: &mut StoreContextMut<'_, HostData<H>>,
    f: impl FnOnce(&mut H, &mut [u8]) -> R,
) -> (R, bool) {
    let (memory, data) = match store.data().memory {
        Some(memory) => memory.data_and_store_mut(&mut *store),
        None => (&mut [][..], store.data_mut()),
    };
    let Local { host, shared } = &mut *data.local;
    let result = f(host, memory);
    let (work, is_due) = (host.take_work(), shared.is_due());
    (result, charge(store, work) || is_due)
}

/// Pauses the call once.
fn end_turn<H: Host>(store: &mut StoreContextMut<'_, HostData<H>>) -> wasmtime::Result<()> {
    let mut paused = false;
    store.wait(move |store, _| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        store.data().local.shared.pause(Pause::TurnOver);
        Poll::Pending
    })
}
