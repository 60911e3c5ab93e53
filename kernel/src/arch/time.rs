//! The time-stamp counter and the monotonic clock derived from it.

use capos_kernel_core::clock::Scale;
use core::sync::atomic::{AtomicU64, Ordering};

static ENTRY_TSC: AtomicU64 = AtomicU64::new(0);

// The scale in use. It changes only inside the kernel, which is entered by one CPU at a time.
static BASE_TSC: AtomicU64 = AtomicU64::new(0);
static BASE_NS: AtomicU64 = AtomicU64::new(0);
static MULTIPLIER: AtomicU64 = AtomicU64::new(0);
/// [`STRETCH_NS`] in steps of the counter, so that looking at a budget takes no division.
static STRETCH_STEPS: AtomicU64 = AtomicU64::new(0);

/// How long the kernel goes on before it looks for something else to run: below what a higher priority may be made to wait
/// (docs/limits.md), by as much as the longest single step takes.
const STRETCH_NS: u64 = 50_000;

/// Remembers the counter at kernel entry, where monotonic time begins.
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

/// How the counter becomes time. Until the clocks are measured, it is always 0.
#[inline]
pub fn scale() -> Scale {
    Scale {
        base: BASE_TSC.load(Ordering::Relaxed),
        base_ns: BASE_NS.load(Ordering::Relaxed),
        multiplier: MULTIPLIER.load(Ordering::Relaxed),
    }
}

/// Goes on with another scale.
pub fn set_scale(scale: &Scale) {
    BASE_TSC.store(scale.base, Ordering::Relaxed);
    BASE_NS.store(scale.base_ns, Ordering::Relaxed);
    MULTIPLIER.store(scale.multiplier, Ordering::Relaxed);
    STRETCH_STEPS.store(scale.steps(STRETCH_NS), Ordering::Relaxed);
}

/// How many steps of the counter the kernel goes on before it looks for something else to run.
#[inline]
pub fn stretch_steps() -> u64 {
    STRETCH_STEPS.load(Ordering::Relaxed)
}

/// The length of a number of counter steps.
pub fn duration_ns(steps: u64) -> u64 {
    scale().duration(steps)
}

/// Nanoseconds since the kernel was entered.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "nanoseconds since boot fit 64 bits for 584 years")]
pub fn now_ns() -> u64 {
    // As `Scale::at`, without its checks: this is called at every turn.
    let Scale { base, base_ns, multiplier } = scale();
    let elapsed = read_tsc().saturating_sub(base);
    base_ns + ((u128::from(elapsed) * u128::from(multiplier)) >> Scale::SHIFT) as u64
}
