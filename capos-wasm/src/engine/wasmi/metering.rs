//! Supplying wasmi's fuel from an instance's meter.

use super::{data::HostData, units::FUEL_PER_UNIT};
use crate::{End, engine::Host};
use wasmi::{Slices, Store};

/// More than any turn uses.
const MOST_UNITS: u64 = u64::MAX / FUEL_PER_UNIT;

/// Gives the store fuel for the rest of the turn, and at least what the next step needs. What exceeds a slice is given in
/// slices, while the turn is not over; without a clock, a turn is a slice.
pub(super) fn give<H: Host>(store: &mut Store<HostData<H>>, required: u64) -> Result<(), End> {
    let required = required.div_ceil(FUEL_PER_UNIT);
    let fuel = &mut store.data_mut().fuel;
    let (size, end) = (fuel.slice(), fuel.turn_end());
    let units = fuel.give(required, if end.is_some() { MOST_UNITS } else { size })?;
    let first = units.min(required.max(size));
    *store.slices_mut() = end.map(|(clock, until)| Slices {
        clock,
        until,
        size: size * FUEL_PER_UNIT,
        reserve: (units - first) * FUEL_PER_UNIT,
    });
    // An error would mean that metering is off, but it is always on.
    store.set_fuel(first * FUEL_PER_UNIT).map_err(|error| End::FailedToStart(error.to_string()))
}

/// Counts what the store has used of what it was given.
pub(super) fn settle<H: Host>(store: &mut Store<HostData<H>>) {
    let reserve = store.slices_mut().map_or(0, |slices| slices.reserve);
    let rest = store.get_fuel().unwrap_or(0).saturating_add(reserve);
    store.data_mut().fuel.settle(rest / FUEL_PER_UNIT);
}
