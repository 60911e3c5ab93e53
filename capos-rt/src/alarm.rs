//! The calling thread's alarm: at a time of the monotonic clock ([`now_ns`](crate::now_ns)) the thread is taken out of its
//! program, wherever that is, and enters the process's fault handler with
//! [`ALARM_VECTOR`](capos_abi::ALARM_VECTOR), as docs/abi.md describes. Without a handler nothing happens.

use crate::arch;
use capos_abi::NO_DEADLINE;

/// Sets the alarm, instead of an earlier one. A time that has passed is at once.
#[inline]
pub fn set(deadline_ns: u64) {
    arch::set_alarm(deadline_ns);
}

/// Switches the alarm off.
#[inline]
pub fn clear() {
    arch::set_alarm(NO_DEADLINE);
}
