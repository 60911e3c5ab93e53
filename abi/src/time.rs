use core::mem::size_of;

/// The page that `Timer.timePage` gives. Monotonic nanoseconds =
/// `base_ns + ((tsc - base_tsc) * multiplier >> shift)`, computed in 128 bits.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct TimePage {
    /// Layout version, 1.
    pub version: u32,
    /// See above.
    pub shift: u32,
    /// Time-stamp counter at `base_ns`.
    pub base_tsc: u64,
    /// Monotonic nanoseconds at `base_tsc`.
    pub base_ns: u64,
    /// See above.
    pub multiplier: u64,
}

impl TimePage {
    /// Monotonic nanoseconds when the time-stamp counter reads `tsc`. Saturates.
    #[must_use]
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "nanoseconds since boot fit 64 bits for 584 years")]
    pub const fn nanoseconds(&self, tsc: u64) -> u64 {
        let elapsed = tsc.saturating_sub(self.base_tsc) as u128;
        self.base_ns.saturating_add(((elapsed * self.multiplier as u128) >> self.shift) as u64)
    }
}

const _: () = assert!(size_of::<TimePage>() == 32);
