//! Fuel in slices, so that no instance keeps the thread for long.
//!
//! A unit of fuel is one simple instruction of WebAssembly, or 64 bytes that an instruction or the host moves. Limits and uses are in
//! these units whatever engine runs: each has a factor, how many of its own units one of these is.

use crate::{End, account::Control, resources::FastClock};
use std::rc::Rc;

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
    /// The fuel that the store was last given.
    given: u64,
    /// Fuel for what the host did that was more than the store had left.
    owed: u64,
    /// When the turn began: a time, or `used` where there is no clock.
    turn_began: u64,
}

impl FuelMeter {
    pub(super) fn new(control: Rc<Control>, limit: Option<u64>, clock: Option<FastClock>) -> Self {
        Self { control, clock, limit: limit.unwrap_or(u64::MAX), used: 0, given: 0, owed: 0, turn_began: 0 }
    }

    /// Counts what has been burnt where the store has `rest` left.
    pub(super) fn settle(&mut self, rest: u64) {
        let burnt = self.given.saturating_sub(rest).saturating_add(std::mem::take(&mut self.owed));
        self.used = self.used.saturating_add(burnt).min(self.limit);
        self.given = rest;
        self.control.set_fuel(self.used);
    }

    /// The fuel that the store is to have from now on: a slice, or as much as the next step needs when that is more. `None` when the
    /// limit does not allow that step.
    fn next(&mut self, required: u64) -> Option<u64> {
        let left = self.limit - self.used;
        if left < required.max(1) {
            return None;
        }
        let slice = if self.clock.is_some() { SLICE } else { TURN };
        self.given = left.min(required.max(slice));
        Some(self.given)
    }

    /// The fuel that a store with `rest` left is to have when the guest's next step needs more: the same where it has to
    /// stop for others or for good, and otherwise its next slice, for which it then need not stop at all.
    pub(super) fn more(&mut self, rest: u64, required: u64) -> u64 {
        self.settle(rest);
        if self.is_turn_over() {
            return rest;
        }
        self.next(required).unwrap_or(rest)
    }

    /// The same, or the end of the instance, for which all fuel counts as burnt: the rest is too little for anything more to happen.
    pub(super) fn give(&mut self, required: u64) -> Result<u64, End> {
        self.next(required).ok_or_else(|| self.exhausted())
    }

    /// The end at the limit.
    pub(super) fn exhausted(&mut self) -> End {
        self.used = self.limit;
        self.control.set_fuel(self.used);
        End::OutOfFuel(self.limit)
    }

    /// Counts fuel that the host burnt for the guest and the store did not have any more.
    pub(super) fn owe(&mut self, fuel: u64) {
        self.owed = self.owed.saturating_add(fuel);
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
}
