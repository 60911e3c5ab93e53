//! The time-stamp counter and the monotonic clock derived from it.

use capos_kernel_core::clock::Scale;
use core::sync::atomic::{AtomicU64, Ordering};

static ENTRY_TSC: AtomicU64 = AtomicU64::new(0);

// The current scale. It changes only inside the kernel, which one CPU enters at a time.
static BASE_TSC: AtomicU64 = AtomicU64::new(0);
static BASE_NS: AtomicU64 = AtomicU64::new(0);
static MULTIPLIER: AtomicU64 = AtomicU64::new(0);
/// [`STRETCH_NS`] in counter steps, so that checking a budget needs no division.
static STRETCH_STEPS: AtomicU64 = AtomicU64::new(0);

/// Time budget between preemption points: the latency bound for higher priorities (docs/limits.md), minus the time of the
/// longest single step.
const STRETCH_NS: u64 = 50_000;

/// Records the counter at kernel entry, where monotonic time begins.
pub(super) fn set_entry_tsc(tsc: u64) {
    ENTRY_TSC.store(tsc, Ordering::Relaxed);
    BASE_TSC.store(tsc, Ordering::Relaxed);
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

/// The conversion of the counter to time. Before calibration, the time is always 0.
#[inline]
pub fn scale() -> Scale {
    Scale {
        base: BASE_TSC.load(Ordering::Relaxed),
        base_ns: BASE_NS.load(Ordering::Relaxed),
        multiplier: MULTIPLIER.load(Ordering::Relaxed),
    }
}

/// Sets a new scale.
pub fn set_scale(scale: &Scale) {
    BASE_TSC.store(scale.base, Ordering::Relaxed);
    BASE_NS.store(scale.base_ns, Ordering::Relaxed);
    MULTIPLIER.store(scale.multiplier, Ordering::Relaxed);
    STRETCH_STEPS.store(scale.steps(STRETCH_NS), Ordering::Relaxed);
}

/// Number of counter steps between preemption points.
#[inline]
pub fn stretch_steps() -> u64 {
    STRETCH_STEPS.load(Ordering::Relaxed)
}

/// The duration of a number of counter steps.
pub fn duration_ns(steps: u64) -> u64 {
    scale().duration(steps)
}

/// Nanoseconds since the kernel was entered.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "nanoseconds since boot fit 64 bits for 584 years")]
pub fn now_ns() -> u64 {
    // Like `Scale::at`, without its checks, since this is called at every turn.
    let Scale { base, base_ns, multiplier } = scale();
    let elapsed = read_tsc().saturating_sub(base);
    base_ns + ((u128::from(elapsed) * u128::from(multiplier)) >> Scale::SHIFT) as u64
}
