//! The time-stamp counter and the monotonic clock derived from it.

use core::sync::atomic::{AtomicU64, Ordering};

static ENTRY_TSC: AtomicU64 = AtomicU64::new(0);
static MULTIPLIER: AtomicU64 = AtomicU64::new(0);

/// Monotonic nanoseconds = `(tsc - entry) * multiplier >> SHIFT`.
pub const SHIFT: u32 = 32;

/// Remembers the counter at kernel entry, where monotonic time begins.
pub(super) fn set_entry_tsc(tsc: u64) {
    ENTRY_TSC.store(tsc, Ordering::Relaxed);
}

/// The time-stamp counter at kernel entry.
pub fn entry_tsc() -> u64 {
    ENTRY_TSC.load(Ordering::Relaxed)
}

/// The time-stamp counter.
#[inline]
pub fn read_tsc() -> u64 {
    // SAFETY: RDTSC only reads a counter.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Sets the clock's speed; until then it reads 0.
pub(super) fn set_multiplier(multiplier: u64) {
    MULTIPLIER.store(multiplier, Ordering::Relaxed);
}

/// The clock's multiplier.
pub fn multiplier() -> u64 {
    MULTIPLIER.load(Ordering::Relaxed)
}

/// What a number of counter steps amounts to.
#[expect(clippy::cast_possible_truncation, reason = "the counter runs for centuries before 64 bits overflow")]
pub fn duration_ns(steps: u64) -> u64 {
    ((u128::from(steps) * u128::from(multiplier())) >> SHIFT) as u64
}

/// Nanoseconds since the kernel was entered.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "nanoseconds since boot fit 64 bits for 584 years")]
pub fn now_ns() -> u64 {
    let elapsed = read_tsc().saturating_sub(entry_tsc());
    ((u128::from(elapsed) * u128::from(multiplier())) >> SHIFT) as u64
}
