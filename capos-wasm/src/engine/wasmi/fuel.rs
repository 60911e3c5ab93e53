//! Fuel in slices, so that no instance keeps the thread for long.

use super::data::HostData;
use crate::{End, instance::Control};
use std::rc::Rc;
use wasmi::Store;

/// Fuel between two turns of the executor: well under a millisecond of interpreting.
const SLICE: u64 = 50_000;

/// Counts an instance's fuel.
pub(super) struct FuelMeter {
    control: Rc<Control>,
    limit: u64,
    used: u64,
    /// What the store was last given.
    given: u64,
}

impl FuelMeter {
    pub(super) fn new(control: Rc<Control>, limit: Option<u64>) -> Self {
        Self { control, limit: limit.unwrap_or(u64::MAX), used: 0, given: 0 }
    }

    /// Gives the store a slice, or as much as the next step needs when that is more.
    pub(super) fn give(&mut self, store: &mut Store<HostData>, required: u64) -> Result<(), End> {
        self.settle(store);
        let left = self.limit - self.used;
        if left < required.max(1) {
            // The rest is too little for anything more to happen.
            self.used = self.limit;
            self.control.set_fuel(self.used);
            return Err(End::OutOfFuel(self.limit));
        }
        self.given = left.min(required.max(SLICE));
        // Metering is always on, the only reason for an error.
        store.set_fuel(self.given).map_err(|error| End::FailedToStart(error.to_string()))
    }

    /// Counts what the store has burnt of its slice.
    pub(super) fn settle(&mut self, store: &mut Store<HostData>) {
        let rest = store.get_fuel().unwrap_or(0);
        let burnt =
            self.given.saturating_sub(rest).saturating_add(std::mem::take(&mut store.data_mut().owed));
        self.used = self.used.saturating_add(burnt).min(self.limit);
        self.given = rest;
        self.control.set_fuel(self.used);
    }

    /// The limit, for an end that the engine reports by itself.
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }
}
