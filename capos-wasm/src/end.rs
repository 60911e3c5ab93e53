//! How an instance ends.

use capos_schema::wasm_capnp::instance_end;
use std::fmt;

/// The end of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// `proc_exit` with this status, or 0 if `_start` returned.
    Exited(i32),
    /// A violation of WebAssembly's rules.
    Trap(Trap),
    /// The fuel limit, in units, was reached.
    OutOfFuel(u64),
    /// It was refused memory and then failed.
    OutOfMemory,
    /// The time limit was reached.
    OutOfTime,
    /// The output limit was reached.
    OutOfOutput,
    /// It was ended through its handle or capability.
    Killed,
    /// It could not be started, for this reason.
    FailedToStart(String),
}

/// A violation of WebAssembly's rules, and where it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// A description of the violation.
    pub message: String,
    /// The functions on the stack, innermost first: by name, or by index if the module contains no name.
    pub backtrace: Vec<String>,
}

impl End {
    /// The exit status that represents this end.
    pub fn status(&self) -> i32 {
        match self {
            Self::Exited(status) => *status,
            Self::Trap(_) => 134,
            Self::FailedToStart(_) => 126,
            Self::OutOfFuel(_) | Self::OutOfMemory | Self::OutOfTime | Self::OutOfOutput | Self::Killed => {
                137
            }
        }
    }

    /// The same end; of a trap, only the innermost `frames` functions are kept.
    pub(crate) fn shortened(mut self, frames: usize) -> Self {
        if let Self::Trap(trap) = &mut self {
            trap.backtrace.truncate(frames);
            trap.backtrace.shrink_to_fit();
        }
        self
    }

    /// Writes this end to a message.
    pub fn write(&self, mut builder: instance_end::Builder<'_>) {
        match self {
            Self::Exited(status) => builder.set_exited(*status),
            Self::Trap(trap) => {
                let mut message = builder.init_trap();
                message.set_message(&trap.message[..]);
                let mut frames = message.init_backtrace(trap.backtrace.len() as u32);
                for (index, frame) in (0..).zip(&trap.backtrace) {
                    frames.set(index, &frame[..]);
                }
            }
            Self::OutOfFuel(_) => builder.set_out_of_fuel(()),
            Self::OutOfMemory => builder.set_out_of_memory(()),
            Self::OutOfTime => builder.set_out_of_time(()),
            Self::OutOfOutput => builder.set_out_of_output(()),
            Self::Killed => builder.set_killed(()),
            Self::FailedToStart(reason) => builder.set_failed_to_start(&reason[..]),
        }
    }
}

impl fmt::Display for End {
    /// One line, without a trap's backtrace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exited with status {status}"),
            Self::Trap(trap) => write!(f, "trap: {}", trap.message),
            Self::OutOfFuel(units) => write!(f, "out of fuel after {units}"),
            Self::OutOfMemory => write!(f, "out of memory"),
            Self::OutOfTime => write!(f, "out of time"),
            Self::OutOfOutput => write!(f, "out of output"),
            Self::Killed => write!(f, "killed"),
            Self::FailedToStart(reason) => write!(f, "failed to start: {reason}"),
        }
    }
}
