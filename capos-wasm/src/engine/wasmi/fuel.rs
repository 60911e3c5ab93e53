//! Fuel in slices, so that no instance keeps the thread for long.

use super::data::HostData;
use crate::{End, instance::Control, wasi::FastClock};
use std::rc::Rc;
use wasmi::Store;

/// Fuel between two looks at the clock. Whatever the guest does, so much fuel is far from a millisecond's worth: the
/// dearest instructions for their fuel are those that first touch a page of memory.
const SLICE: u64 = 500;
/// Fuel of a turn where there is no clock.
const TURN: u64 = 50_000;
/// Time of a turn, after which the executor's other tasks have theirs.
const TURN_NS: u64 = 250_000;

/// Counts an instance's fuel, and says when its turn is over.
pub(super) struct FuelMeter {
    control: Rc<Control>,
    clock: Option<FastClock>,
    limit: u64,
    used: u64,
    /// What the store was last given.
    given: u64,
    /// When the turn began: a time, or `used` where there is no clock.
    turn_began: u64,
}

impl FuelMeter {
    pub(super) fn new(control: Rc<Control>, limit: Option<u64>, clock: Option<FastClock>) -> Self {
        Self { control, clock, limit: limit.unwrap_or(u64::MAX), used: 0, given: 0, turn_began: 0 }
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
        let slice = if self.clock.is_some() { SLICE } else { TURN };
        self.given = left.min(required.max(slice));
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

    /// Begins a turn.
    pub(super) fn begin_turn(&mut self) {
        self.turn_began = self.now();
    }

    /// Whether others should have their turn now.
    pub(super) fn is_turn_over(&self) -> bool {
        let length = if self.clock.is_some() { TURN_NS } else { TURN };
        self.now().saturating_sub(self.turn_began) >= length
    }

    fn now(&self) -> u64 {
        self.clock.as_ref().map_or(self.used, |clock| clock())
    }

    /// The limit, for an end that the engine reports by itself.
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }
}
