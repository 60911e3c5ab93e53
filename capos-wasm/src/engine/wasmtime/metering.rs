//! Supplying wasmtime's fuel from an instance's meter. Where the code counts none, only the host's work is counted.
//!
//! The store has all fuel that is left, with one more than the guest may use: none left means that it used too much,
//! even if no check followed. wasmtime pauses the call after each slice. The call's future owns the store meanwhile, so
//! the module's epoch is then incremented; wasmtime calls [`at_slice`] for that at the place where it paused.

use super::{data::HostData, pause::Pause};
use crate::{
    End,
    engine::{Host, fuel::FREE_WORK},
};
use capos_codegen::{FUEL_PER_UNIT, MOST_UNITS};
use wasmtime::{AsContext, AsContextMut, Store, StoreContext, StoreContextMut, UpdateDeadline};

/// Makes the store pause after each slice.
pub(super) fn meter<H: Host>(store: &mut Store<HostData<H>>) -> wasmtime::Result<()> {
    if !store.data().counts_fuel {
        return Ok(());
    }
    let slice = store.data().local.shared.fuel().slice();
    store.fuel_async_yield_interval(Some(slice * FUEL_PER_UNIT))?;
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(at_slice);
    Ok(())
}

/// Counts the slice and lets other tasks run if the turn is over. The epoch is that of all instances of the module; for
/// one in the middle of a slice this is only early.
fn at_slice<H: Host>(store: StoreContextMut<'_, HostData<H>>) -> wasmtime::Result<UpdateDeadline> {
    settle(&store);
    let shared = &store.data().local.shared;
    if !shared.fuel().is_turn_over() {
        return Ok(UpdateDeadline::Continue(1));
    }
    shared.pause(Pause::TurnOver);
    Ok(UpdateDeadline::Yield(1))
}

/// Gives the store all fuel that is left.
pub(super) fn give<H: Host>(store: &mut Store<HostData<H>>) -> Result<(), End> {
    if !store.data().counts_fuel {
        return Ok(());
    }
    let units = store.data().local.shared.fuel().give(0, MOST_UNITS)?;
    // An error would mean that metering is off.
    store.set_fuel(units * FUEL_PER_UNIT + 1).map_err(|error| End::FailedToStart(error.to_string()))
}

/// Counts what the store has used.
pub(super) fn settle<H: Host>(store: impl AsContext<Data = HostData<H>>) {
    let store = store.as_context();
    store.data().local.shared.fuel().settle(fuel_left(store) / FUEL_PER_UNIT);
}

/// Whether the guest has used more fuel than it may.
pub(super) fn is_exhausted<H: Host>(store: impl AsContext<Data = HostData<H>>) -> bool {
    let store = store.as_context();
    store.data().counts_fuel && fuel_left(store) == 0
}

/// None is left, and nothing counts as used, where the code counts none.
fn fuel_left<H: Host>(store: StoreContext<'_, HostData<H>>) -> u64 {
    match store.data().counts_fuel {
        true => store.get_fuel().unwrap_or(0),
        false => 0,
    }
}

/// Charges fuel for `work` of the host; otherwise a guest could have it work indefinitely between two of its own
/// instructions. Returns whether the turn is over: setting the fuel starts a slice, so the end of the last one may never
/// be reached.
#[inline]
pub(super) fn charge<H: Host>(store: impl AsContextMut<Data = HostData<H>>, work: u64) -> bool {
    work > FREE_WORK && charge_more(store, work - FREE_WORK)
}

fn charge_more<H: Host>(mut store: impl AsContextMut<Data = HostData<H>>, work: u64) -> bool {
    let mut store = store.as_context_mut();
    let fuel = work.saturating_mul(FUEL_PER_UNIT);
    let left = fuel_left(store.as_context());
    if store.data().counts_fuel {
        // An error would mean that metering is off.
        let _ = store.set_fuel(left.saturating_sub(fuel));
    }
    settle(&store);
    let mut meter = store.data().local.shared.fuel();
    meter.owe(fuel.saturating_sub(left).div_ceil(FUEL_PER_UNIT));
    meter.is_turn_over()
}
