//! Supplying wasmi's fuel from an instance's meter.

use super::{data::HostData, units::FUEL_PER_UNIT};
use crate::{End, engine::Host};
use wasmi::Store;

/// Makes the store ask its meter for more before a guest runs out.
pub(super) fn meter<H: Host>(store: &mut Store<HostData<H>>) {
    store.fuel_source(|data, rest, required| {
        data.fuel.more(rest / FUEL_PER_UNIT, required.div_ceil(FUEL_PER_UNIT)) * FUEL_PER_UNIT
    });
}

/// Gives the store a slice, or as much as the next step needs if that is more.
pub(super) fn give<H: Host>(store: &mut Store<HostData<H>>, required: u64) -> Result<(), End> {
    let fuel = &mut store.data_mut().fuel;
    let units = fuel.give(required.div_ceil(FUEL_PER_UNIT), fuel.slice())?;
    // An error would mean that metering is off, but it is always on.
    store.set_fuel(units.saturating_mul(FUEL_PER_UNIT)).map_err(|error| End::FailedToStart(error.to_string()))
}

/// Counts what the store has used of its slice.
pub(super) fn settle<H: Host>(store: &mut Store<HostData<H>>) {
    let rest = store.get_fuel().unwrap_or(0);
    store.data_mut().fuel.settle(rest / FUEL_PER_UNIT);
}
