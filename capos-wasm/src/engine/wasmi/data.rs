//! The per-instance state stored in wasmi's store.

use super::units::burn;
use crate::{
    End,
    engine::{
        Host, Outcome,
        fuel::{FREE_WORK, FuelMeter},
        limiter::Limiter,
    },
};
use std::{
    fmt,
    task::{Context as TaskContext, Poll},
};
use wasmi::{AsContextMut, Caller, Error, Extern, Memory, Store};

/// The `Store`'s data: one store for each instance.
pub(crate) struct HostData<H> {
    pub(super) host: H,
    /// The export named `memory`, once it has been looked up and found.
    memory: Option<Memory>,
    pub(super) fuel: FuelMeter,
    pub(super) limiter: Limiter,
}

impl<H: Host> HostData<H> {
    pub(super) fn new(host: H, fuel: FuelMeter, limiter: Limiter) -> Self {
        Self { host, memory: None, fuel, limiter }
    }
}

/// The reason that a host function did not return to the guest.
#[derive(Debug)]
pub(super) enum Pause {
    /// The function waits; its outcome comes from [`poll_host`].
    Suspended,
    /// The instance ends here.
    Ended(End),
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suspended => f.write_str("the instance waits"),
            Self::Ended(end) => end.fmt(f),
        }
    }
}

impl wasmi::errors::HostError for Pause {}

/// Serves a guest's call, or pauses the guest.
pub(super) fn host_call<H: Host>(mut caller: Caller<'_, HostData<H>>, call: H::Call) -> Result<u32, Error> {
    if caller.data().memory.is_none() {
        let memory = caller.get_export("memory").and_then(Extern::into_memory);
        caller.data_mut().memory = memory;
    }
    let outcome = match caller.data().memory {
        Some(memory) => {
            let (bytes, data) = memory.data_and_store_mut(&mut caller);
            data.host.begin(bytes, call)
        }
        None => caller.data_mut().host.begin(&mut [], call),
    };
    charge(&mut caller);
    match outcome {
        Some(Outcome::Returned(value)) => Ok(value),
        Some(Outcome::Ended(end)) => Err(Error::host(Pause::Ended(*end))),
        None => Err(Error::host(Pause::Suspended)),
    }
}

/// Charges fuel for the host's work; otherwise a guest could have it work indefinitely between two of its own
/// instructions.
fn charge<H: Host>(mut store: impl AsContextMut<Data = HostData<H>>) {
    let mut store = store.as_context_mut();
    let work = store.data_mut().host.take_work().saturating_sub(FREE_WORK);
    if work == 0 {
        return;
    }
    let owed = burn(&mut store, work);
    store.data_mut().fuel.owe(owed);
}

/// Continues the call that suspended the guest.
pub(super) fn poll_host<H: Host>(
    store: &mut Store<HostData<H>>,
    cx: &mut TaskContext<'_>,
) -> Poll<Result<u32, End>> {
    let outcome = match store.data().memory {
        Some(memory) => {
            let (bytes, data) = memory.data_and_store_mut(&mut *store);
            data.host.poll(bytes, cx)
        }
        None => store.data_mut().host.poll(&mut [], cx),
    };
    charge(&mut *store);
    outcome.map(|outcome| match outcome {
        Outcome::Returned(value) => Ok(value),
        Outcome::Ended(end) => Err(*end),
    })
}
