//! A call of an exported function, as a future.

use super::{
    convert::{failure, returned},
    data::{Ended, HostData},
    metering::{give, is_exhausted, settle},
};
use crate::{
    End,
    engine::{Host, Returned, interface::Failure},
};
use wasmtime::{Error, Func, Store, Val, WasmBacktrace};

/// A call that is over, and the store that it ran on.
pub(super) struct Finished<H: Host> {
    pub(super) store: Box<Store<HostData<H>>>,
    pub(super) result: Result<Vec<Returned>, Stop>,
}

/// The reason that a function did not return.
pub(super) enum Stop {
    Ended(End),
    Trapped {
        failure: Failure,
        /// The indices of the functions on the stack, innermost first.
        backtrace: Vec<u32>,
    },
}

/// Calls a function.
pub(super) async fn call<H: Host>(
    mut store: Box<Store<HostData<H>>>,
    function: Func,
    arguments: Vec<Val>,
) -> Finished<H> {
    let result = perform(&mut store, function, &arguments).await;
    Finished { store, result }
}

async fn perform<H: Host>(
    store: &mut Store<HostData<H>>,
    function: Func,
    arguments: &[Val],
) -> Result<Vec<Returned>, Stop> {
    give(store).map_err(Stop::Ended)?;
    // Their types do not matter before the call.
    let mut results = vec![Val::I32(0); function.ty(&*store).results().len()];
    let outcome = function.call_async(&mut *store, arguments, &mut results).await;
    settle(&*store);
    match outcome.map_err(end) {
        Err(Stop::Ended(end)) => Err(Stop::Ended(end)),
        // Also if no check followed.
        _ if is_exhausted(&*store) => Err(Stop::Ended(store.data().local.shared.fuel().exhausted())),
        Err(stop) => Err(stop),
        Ok(()) => Ok(results.iter().map(returned).collect()),
    }
}

/// The reason that an error represents.
fn end(error: Error) -> Stop {
    if let Some(Ended(end)) = error.downcast_ref::<Ended>() {
        return Stop::Ended(end.clone());
    }
    let frames = error.downcast_ref::<WasmBacktrace>().map_or(&[][..], WasmBacktrace::frames);
    Stop::Trapped {
        failure: failure(&error),
        backtrace: frames.iter().map(|frame| frame.func_index()).collect(),
    }
}
