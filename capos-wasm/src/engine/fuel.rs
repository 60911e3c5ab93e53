//! Fuel in slices, so that no instance occupies the thread for long.
//!
//! A unit of fuel is one simple WebAssembly instruction, or 64 bytes moved by an instruction or the host. Limits
//! and usage are in these units for every engine; each engine has a conversion factor to its own units.

use crate::{End, account::Control, resources::FastClock};
use std::rc::Rc;

/// Fuel between two checks of the clock. Whatever the guest executes, this takes less than a millisecond: the slowest
/// instructions relative to their fuel are calls that move many values, then those that touch a page of memory for the first
/// time.
const SLICE: u64 = 500;
/// Fuel of a turn if there is no clock.
const TURN: u64 = 50_000;
/// Duration of a turn, after which the executor's other tasks run.
const TURN_NS: u64 = 250_000;

/// Host work per call that is free of charge. Only additional work, such as walking a long list, uses fuel.
pub(super) const FREE_WORK: u64 = 16;

/// Counts an instance's fuel, and determines when its turn is over.
pub(super) struct FuelMeter {
    control: Rc<Control>,
    clock: Option<FastClock>,
    limit: u64,
    used: u64,
    /// The fuel that was last given to the store.
    given: u64,
    /// Fuel for work of the host that exceeded what the store had left.
    owed: u64,
    /// The start of the turn: a time, or `used` if there is no clock.
    turn_began: u64,
}

impl FuelMeter {
    pub(super) fn new(control: Rc<Control>, limit: Option<u64>, clock: Option<FastClock>) -> Self {
        Self { control, clock, limit: limit.unwrap_or(u64::MAX), used: 0, given: 0, owed: 0, turn_began: 0 }
    }

    /// Counts for `control` from now on, in addition to the fuel that is counted there.
    pub(super) fn charge_to(&mut self, control: Rc<Control>, limit: Option<u64>) {
        let used = control.usage().fuel;
        *self = Self { used, ..Self::new(control, limit, self.clock) };
    }

    /// Counts the fuel used, given that the store has `rest` left.
    pub(super) fn settle(&mut self, rest: u64) {
        let burnt = self.given.saturating_sub(rest).saturating_add(std::mem::take(&mut self.owed));
        self.used = self.used.saturating_add(burnt).min(self.limit);
        self.given = rest;
        self.control.set_fuel(self.used);
    }

    /// The fuel between two checks of whether the turn is over.
    pub(super) fn slice(&self) -> u64 {
        if self.clock.is_some() { SLICE } else { TURN }
    }

    /// The clock, and the time at which the turn is over; `None` if turns are measured in fuel, since there is no clock.
    pub(super) fn turn_end(&self) -> Option<(FastClock, u64)> {
        Some((self.clock?, self.turn_began.saturating_add(TURN_NS)))
    }

    /// The store's next amount of fuel: `amount`, or as much as the next step needs if that is more. `None` if the
    /// limit does not allow that step.
    fn next(&mut self, required: u64, amount: u64) -> Option<u64> {
        let left = self.limit - self.used;
        if left < required.max(1) {
            return None;
        }
        self.given = left.min(required.max(amount));
        Some(self.given)
    }

    /// The next amount of fuel, up to `amount` unless the next step needs more, or the end of the instance. In the latter
    /// case all fuel counts as used, since the rest is not enough to continue.
    pub(super) fn give(&mut self, required: u64, amount: u64) -> Result<u64, End> {
        self.next(required, amount).ok_or_else(|| self.exhausted())
    }

    /// The end at the limit.
    pub(super) fn exhausted(&mut self) -> End {
        self.used = self.limit;
        self.control.set_fuel(self.used);
        End::OutOfFuel(self.limit)
    }

    /// Counts fuel used by the host for the guest that exceeded what the store had left.
    pub(super) fn owe(&mut self, fuel: u64) {
        self.owed = self.owed.saturating_add(fuel);
    }

    /// Starts a turn.
    pub(super) fn begin_turn(&mut self) {
        self.turn_began = self.now();
    }

    /// Whether other tasks should run now.
    pub(super) fn is_turn_over(&self) -> bool {
        let length = if self.clock.is_some() { TURN_NS } else { TURN };
        self.now().saturating_sub(self.turn_began) >= length
    }

    fn now(&self) -> u64 {
        self.clock.map_or(self.used, |clock| clock())
    }
}
