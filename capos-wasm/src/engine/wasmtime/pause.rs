//! The state of a call that is visible while the call's future owns the store.

use super::machine::Machine;
use crate::engine::fuel::FuelMeter;
use std::{
    cell::{Cell, RefCell, RefMut},
    rc::Rc,
};

/// The reason that a call's future is pending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pause {
    /// A slice of fuel is used up, or the guest was interrupted; only wasmtime itself pauses for this reason, so it is the
    /// default.
    #[default]
    Slice,
    /// Other tasks must run.
    TurnOver,
    /// An imported function waits.
    Waiting,
}

/// An instance's meter and the reason for its call's last pause, shared by the store and its user.
pub(super) struct Shared {
    fuel: RefCell<FuelMeter>,
    counts_fuel: bool,
    machine: Rc<dyn Machine>,
    pause: Cell<Pause>,
}

impl Shared {
    pub(super) fn new(fuel: FuelMeter, counts_fuel: bool, machine: Rc<dyn Machine>) -> Self {
        Self { fuel: RefCell::new(fuel), counts_fuel, machine, pause: Cell::default() }
    }

    /// Whether the code counts fuel, so that the store has some. Otherwise the machine interrupts the guest.
    pub(super) fn counts_fuel(&self) -> bool {
        self.counts_fuel
    }

    /// The meter; no reference to it is held across another call of this.
    pub(super) fn fuel(&self) -> RefMut<'_, FuelMeter> {
        self.fuel.borrow_mut()
    }

    /// Whether the guest would have been interrupted if it had not called a function of the host.
    pub(super) fn is_due(&self) -> bool {
        self.machine.is_due()
    }

    /// Sets the reason for the pause that follows.
    pub(super) fn pause(&self, reason: Pause) {
        self.pause.set(reason);
    }

    /// The reason for the last pause.
    pub(super) fn take_pause(&self) -> Pause {
        self.pause.take()
    }
}
