//! From wasmi's errors to an instance's end.

use crate::{End, Trap};
use wasmi::{Error, TrapCode};

/// What an error that wasmi cannot resume from means.
pub(super) fn end_of(error: &Error, fuel_limit: u64, backtrace: impl FnOnce() -> Vec<String>) -> End {
    match error.as_trap_code() {
        Some(TrapCode::OutOfFuel) => End::OutOfFuel(fuel_limit),
        Some(code) => End::Trap(explained(code.trap_message().into(), backtrace())),
        None => End::Trap(Trap { message: error.to_string(), backtrace: backtrace() }),
    }
}

/// Begins the names of functions that exist to end the program: the rest of the name says why. Whatever rewrote the
/// module added them, for traps that the engine does not have.
const REASON_PREFIX: &str = "trap: ";

/// A trap with the reason that its innermost function is named for, if it is.
fn explained(message: String, mut backtrace: Vec<String>) -> Trap {
    let reason = backtrace.first().and_then(|name| name.strip_prefix(REASON_PREFIX)).map(str::to_owned);
    match reason {
        Some(message) => {
            backtrace.remove(0);
            Trap { message, backtrace }
        }
        None => Trap { message, backtrace },
    }
}
