//! Doing long work of the host in turns with other tasks.

use crate::{account::Control, resources::FastClock, turns::yield_once};
use std::rc::Rc;

/// Work between two checks of the clock, in parsed bytes or the equivalent.
const LOOK: usize = 512;
/// Work of a turn if there is no clock.
const TURN: usize = 16 << 10;
/// Duration of a turn.
const TURN_NS: u64 = 250_000;
/// Duration of a turn of work that nothing waits for: short, because it adds to the turns of instances.
const ASIDE_TURN_NS: u64 = 50_000;

/// Weight of an item of a module, relative to parsed bytes.
pub(crate) const ITEM_WORK: usize = 16;

/// The error of work that stopped because its instance was killed.
pub(crate) const STOPPED: &str = "the instance has been killed";

/// Weight of checking, comparing and copying a name.
pub(crate) fn name_work(name: &str) -> usize {
    name.len() / 4
}

/// Lets the executor's other tasks run at intervals.
pub(crate) struct Pace {
    clock: Option<FastClock>,
    turn_ns: u64,
    began_ns: u64,
    /// Work since the clock was last checked.
    work: usize,
    /// The instance being started, if any.
    control: Option<Rc<Control>>,
}

impl Pace {
    pub(crate) fn new(clock: Option<FastClock>) -> Self {
        let mut pace = Self { clock, turn_ns: TURN_NS, began_ns: 0, work: 0, control: None };
        pace.begin();
        pace
    }

    /// The pace for work that nothing waits for.
    pub(crate) fn aside(clock: Option<FastClock>) -> Self {
        Self { turn_ns: ASIDE_TURN_NS, ..Self::new(clock) }
    }

    /// The pace for starting the instance of `control`.
    pub(crate) fn starting(clock: Option<FastClock>, control: Rc<Control>) -> Self {
        Self { control: Some(control), ..Self::new(clock) }
    }

    /// The account of the instance being started, if any.
    pub(crate) fn control(&self) -> Option<Rc<Control>> {
        self.control.clone()
    }

    /// Whether the instance being started has been killed, so that the work should stop.
    pub(crate) fn is_stopped(&self) -> bool {
        self.control.as_ref().is_some_and(|control| control.is_killed())
    }

    /// Begins a turn.
    pub(crate) fn begin(&mut self) {
        self.work = 0;
        self.began_ns = self.clock.map_or(0, |clock| clock());
    }

    /// Counts work that was done, and waits for the next turn if this one is over.
    pub(crate) async fn spend(&mut self, work: usize) {
        if self.is_over(work) {
            yield_once().await;
            self.begin();
        }
    }

    /// Counts work that was done, and returns whether the turn is over.
    pub(crate) fn is_over(&mut self, work: usize) -> bool {
        self.work = self.work.saturating_add(work);
        if self.work < if self.clock.is_some() { LOOK } else { TURN } {
            return false;
        }
        self.work = 0;
        self.clock.is_none_or(|clock| clock().saturating_sub(self.began_ns) >= self.turn_ns)
    }
}
