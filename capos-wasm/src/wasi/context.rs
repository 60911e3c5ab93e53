//! What one instance holds: its capabilities and its descriptors.

use super::{stdin::Stdin, stream::Output};
use crate::{Launch, instance::Control};
use capos_schema::{
    console_capnp::console,
    entropy_capnp::entropy_source,
    timer_capnp::{timer, wall_clock},
};
use std::rc::Rc;

/// Reads the monotonic clock without a call, in nanoseconds: the shared time page of the same Timer.
pub type FastClock = Rc<dyn Fn() -> u64>;

/// The capabilities that an instance is granted. What is `None` does not exist for it.
#[derive(Clone, Default)]
pub struct Grants {
    /// Read through descriptor 0.
    pub stdin: Option<console::Client>,
    /// Written through descriptor 1.
    pub stdout: Option<console::Client>,
    /// Written through descriptor 2.
    pub stderr: Option<console::Client>,
    /// The monotonic clock and waiting.
    pub timer: Option<timer::Client>,
    /// A faster way to read `timer`'s clock. Without a `timer` it is not used.
    pub fast_clock: Option<FastClock>,
    /// The time of day.
    pub wall_clock: Option<wall_clock::Client>,
    /// Random bytes.
    pub entropy: Option<entropy_source::Client>,
}

/// The state behind the WASI functions of one instance.
pub struct Context {
    pub(super) launch: Launch,
    pub(super) timer: Option<timer::Client>,
    pub(super) fast_clock: Option<FastClock>,
    pub(super) wall_clock: Option<wall_clock::Client>,
    pub(super) entropy: Option<entropy_source::Client>,
    pub(super) stdin: Option<Stdin>,
    pub(super) stdout: Option<Output>,
    pub(super) stderr: Option<Output>,
    pub(super) control: Rc<Control>,
}

impl Context {
    pub(crate) fn new(launch: Launch, grants: Grants, control: Rc<Control>) -> Self {
        Self {
            launch,
            fast_clock: grants.fast_clock.filter(|_| grants.timer.is_some()),
            timer: grants.timer,
            wall_clock: grants.wall_clock,
            entropy: grants.entropy,
            stdin: grants.stdin.map(Stdin::new),
            stdout: grants.stdout.map(Output::new),
            stderr: grants.stderr.map(Output::new),
            control,
        }
    }
}
