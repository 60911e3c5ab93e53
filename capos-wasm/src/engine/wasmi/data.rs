//! The state that wasmi carries along for an instance.

use super::{fuel::FuelMeter, limiter::Limiter};
use crate::{
    End,
    preview1::{Call, Reply, Snapshot, Wasi},
};
use std::{
    fmt,
    task::{Context as TaskContext, Poll},
};
use wasmi::{AsContextMut, Caller, Error, Extern, Memory, Store};

/// The work that every call may cost the host. Only work beyond it, such as walking a long list, burns fuel.
const FREE_WORK: u64 = 16;

/// The `Store`'s data: one store for each instance.
pub(super) struct HostData {
    wasi: Wasi,
    /// The export named `memory`, once it was looked for and found.
    memory: Option<Memory>,
    pub(super) fuel: FuelMeter,
    pub(super) limiter: Limiter,
}

impl HostData {
    pub(super) fn new(wasi: Wasi, fuel: FuelMeter, limiter: Limiter) -> Self {
        Self { wasi, memory: None, fuel, limiter }
    }

    /// Begins a call of the host's own, on a memory of its own.
    pub(super) fn begin(&mut self, memory: &mut [u8], snapshot: Snapshot, call: Call) -> Option<Reply> {
        self.wasi.begin(memory, snapshot, call)
    }

    /// Goes on with that call.
    pub(super) fn poll(&mut self, memory: &mut [u8], cx: &mut TaskContext<'_>) -> Poll<Reply> {
        self.wasi.poll_reply(memory, cx)
    }
}

/// Why a host function did not return to the guest.
#[derive(Debug)]
pub(super) enum Pause {
    /// The WASI function waits; its reply comes from [`poll_reply`].
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
pub(super) fn host_call(
    mut caller: Caller<'_, HostData>,
    snapshot: Snapshot,
    call: Call,
) -> Result<u32, Error> {
    if caller.data().memory.is_none() {
        let memory = caller.get_export("memory").and_then(Extern::into_memory);
        caller.data_mut().memory = memory;
    }
    let reply = match caller.data().memory {
        Some(memory) => {
            let (bytes, data) = memory.data_and_store_mut(&mut caller);
            data.wasi.begin(bytes, snapshot, call)
        }
        None => caller.data_mut().wasi.begin(&mut [], snapshot, call),
    };
    charge(&mut caller);
    match reply {
        Some(Reply::Errno(errno)) => Ok(errno as u32),
        Some(Reply::End(end)) => Err(Error::host(Pause::Ended(end))),
        None => Err(Error::host(Pause::Suspended)),
    }
}

/// Burns fuel for what the host did for the guest, or a guest could have it work for ever between two of its own
/// instructions.
fn charge(mut store: impl AsContextMut<Data = HostData>) {
    let mut store = store.as_context_mut();
    let work = store.data().wasi.take_work().saturating_sub(FREE_WORK);
    if work == 0 {
        return;
    }
    // Metering is always on, the only reason for an error.
    let left = store.get_fuel().unwrap_or(0);
    let _ = store.set_fuel(left.saturating_sub(work));
    store.data_mut().fuel.owe(work.saturating_sub(left));
}

/// Goes on with the call that suspended the guest.
pub(super) fn poll_reply(store: &mut Store<HostData>, cx: &mut TaskContext<'_>) -> Poll<Result<u32, End>> {
    let reply = match store.data().memory {
        Some(memory) => {
            let (bytes, data) = memory.data_and_store_mut(&mut *store);
            data.wasi.poll_reply(bytes, cx)
        }
        None => store.data_mut().wasi.poll_reply(&mut [], cx),
    };
    charge(&mut *store);
    reply.map(|reply| match reply {
        Reply::Errno(errno) => Ok(errno as u32),
        Reply::End(end) => Err(end),
    })
}
