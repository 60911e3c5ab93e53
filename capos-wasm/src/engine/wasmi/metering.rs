//! Supplying wasmi's fuel from an instance's meter.

use super::data::HostData;
use crate::{End, engine::Host};
use wasmi::Store;

/// wasmi's fuel for a unit: units are defined by wasmi's costs as configured and patched here.
const FUEL_PER_UNIT: u64 = 1;

/// Makes the store ask its meter for more before a guest runs out.
pub(super) fn meter<H: Host>(store: &mut Store<HostData<H>>) {
    store.fuel_source(|data, rest, required| {
        data.fuel.more(rest / FUEL_PER_UNIT, required.div_ceil(FUEL_PER_UNIT)) * FUEL_PER_UNIT
    });
}

/// Gives the store a slice, or as much as the next step needs if that is more.
pub(super) fn give<H: Host>(store: &mut Store<HostData<H>>, required: u64) -> Result<(), End> {
    let units = store.data_mut().fuel.give(required.div_ceil(FUEL_PER_UNIT))?;
    // An error would mean that metering is off, but it is always on.
    store.set_fuel(units.saturating_mul(FUEL_PER_UNIT)).map_err(|error| End::FailedToStart(error.to_string()))
}

/// Counts what the store has used of its slice.
pub(super) fn settle<H: Host>(store: &mut Store<HostData<H>>) {
    let rest = store.get_fuel().unwrap_or(0);
    store.data_mut().fuel.settle(rest / FUEL_PER_UNIT);
}

/// Uses fuel for the host's work for the guest. Returns the units for which the store had no fuel left.
pub(super) fn burn<T>(store: &mut wasmi::StoreContextMut<'_, T>, units: u64) -> u64 {
    let fuel = units.saturating_mul(FUEL_PER_UNIT);
    // An error would mean that metering is off, but it is always on.
    let left = store.get_fuel().unwrap_or(0);
    let _ = store.set_fuel(left.saturating_sub(fuel));
    fuel.saturating_sub(left).div_ceil(FUEL_PER_UNIT)
}
