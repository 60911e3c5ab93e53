use core::{
    mem::size_of,
    sync::atomic::{AtomicU32, AtomicU64, Ordering, fence},
};

/// The page returned by `Timer.timePage`. Monotonic nanoseconds = `base_ns + ((tsc - base_tsc) * multiplier >> shift)`,
/// computed in 128 bits.
///
/// The kernel updates it when it corrects the clock: `sequence` is odd during the update and has another even value
/// afterwards, so a read is consistent if `sequence` was even before it and unchanged after reading the counter.
#[repr(C)]
#[derive(Debug, Default)]
pub struct TimePage {
    /// Layout version, [`TimePage::VERSION`].
    pub version: AtomicU32,
    /// See above.
    pub shift: AtomicU32,
    /// See above.
    pub sequence: AtomicU64,
    /// Time-stamp counter at `base_ns`.
    pub base_tsc: AtomicU64,
    /// Monotonic nanoseconds at `base_tsc`.
    pub base_ns: AtomicU64,
    /// See above.
    pub multiplier: AtomicU64,
}

impl TimePage {
    /// The layout described here.
    pub const VERSION: u32 = 2;

    /// The current monotonic time in nanoseconds; `counter` reads the time-stamp counter.
    #[must_use]
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "nanoseconds since boot fit 64 bits for 584 years")]
    pub fn nanoseconds(&self, mut counter: impl FnMut() -> u64) -> u64 {
        loop {
            let sequence = self.sequence.load(Ordering::Acquire);
            let base_tsc = self.base_tsc.load(Ordering::Relaxed);
            let base_ns = self.base_ns.load(Ordering::Relaxed);
            let multiplier = self.multiplier.load(Ordering::Relaxed);
            let shift = self.shift.load(Ordering::Relaxed) & 127;
            let elapsed = counter().saturating_sub(base_tsc);
            fence(Ordering::Acquire);
            if sequence.is_multiple_of(2) && self.sequence.load(Ordering::Relaxed) == sequence {
                return base_ns
                    .saturating_add(((u128::from(elapsed) * u128::from(multiplier)) >> shift) as u64);
            }
            core::hint::spin_loop();
        }
    }
}

const _: () = assert!(size_of::<TimePage>() == 40);
