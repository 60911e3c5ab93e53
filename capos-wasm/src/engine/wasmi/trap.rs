//! From wasmi's errors to an instance's end.

use crate::{End, Trap};
use wasmi::{Error, TrapCode};

/// What an error that wasmi cannot resume from means.
pub(super) fn end_of(error: &Error, fuel_limit: u64, backtrace: impl FnOnce() -> Vec<String>) -> End {
    match error.as_trap_code() {
        Some(TrapCode::OutOfFuel) => End::OutOfFuel(fuel_limit),
        Some(code) => End::Trap(Trap { message: code.trap_message().into(), backtrace: backtrace() }),
        None => End::Trap(Trap { message: error.to_string(), backtrace: backtrace() }),
    }
}
