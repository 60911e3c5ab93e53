//! Clocks: measuring a counter's frequency against another of known frequency, and correcting later deviations.
//!
//! A virtual processor can be stopped at any point for any time, also between the reads of two counters. Every
//! reading of the reference is therefore taken between two readings of the measured counter, and only conclusions
//! that hold for any delay in between are drawn.

pub mod drift;
pub mod rate;
#[cfg(test)]
mod tests;

pub(crate) const SECOND_NS: u64 = 1_000_000_000;

/// A free-running counter of known frequency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reference {
    /// Ticks per second.
    pub hertz: u64,
    /// Width of the counter in bits, at most 63.
    pub bits: u32,
}

impl Reference {
    /// Ticks until the counter wraps around.
    #[must_use]
    pub const fn period(&self) -> u64 {
        1 << self.bits
    }

    /// Ticks from one value to a later one, if it has wrapped around at most once in between.
    #[must_use]
    pub const fn elapsed(&self, from: u64, to: u64) -> u64 {
        to.wrapping_sub(from) & (self.period() - 1)
    }

    /// The duration of this many ticks.
    #[must_use]
    pub fn nanoseconds(&self, ticks: u64) -> u64 {
        scaled(ticks, SECOND_NS, self.hertz)
    }
}

/// One reading of the reference between two of the measured counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reading {
    /// The measured counter before.
    pub before: u64,
    /// The reference.
    pub reference: u64,
    /// The measured counter after.
    pub after: u64,
}

impl Reading {
    /// By how much the measured counter advanced meanwhile.
    #[must_use]
    pub const fn width(&self) -> u64 {
        self.after.saturating_sub(self.before)
    }

    /// The measured counter's value when the reference was read, to within half the width.
    #[must_use]
    pub const fn middle(&self) -> u64 {
        self.before.saturating_add(self.width() / 2)
    }
}

/// Converts counter steps to nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Scale {
    /// The counter value at `base_ns`.
    pub base: u64,
    /// The time in nanoseconds at which the counter was `base`.
    pub base_ns: u64,
    /// Nanoseconds per step, times 2^[`Scale::SHIFT`].
    pub multiplier: u64,
}

impl Scale {
    /// See [`Scale::multiplier`].
    pub const SHIFT: u32 = 32;

    /// The multiplier for a counter with `hertz` steps per second.
    #[must_use]
    pub fn multiplier_for(hertz: u64) -> u64 {
        scaled(SECOND_NS, 1 << Self::SHIFT, hertz)
    }

    /// The time when the counter reads `counter`.
    #[must_use]
    pub fn at(&self, counter: u64) -> u64 {
        self.base_ns.saturating_add(self.duration(counter.saturating_sub(self.base)))
    }

    /// The number of steps in this many nanoseconds, at most 2^32.
    #[must_use]
    #[inline]
    pub const fn steps(&self, nanoseconds: u64) -> u64 {
        let multiplier = if self.multiplier == 0 { 1 } else { self.multiplier };
        (nanoseconds << Self::SHIFT) / multiplier
    }

    /// The duration of this many steps.
    #[must_use]
    pub fn duration(&self, steps: u64) -> u64 {
        scaled(steps, self.multiplier, 1 << Self::SHIFT)
    }
}

/// `value * by / over` without overflow in between. Saturates.
pub(crate) fn scaled(value: u64, by: u64, over: u64) -> u64 {
    u64::try_from(u128::from(value) * u128::from(by) / u128::from(over.max(1))).unwrap_or(u64::MAX)
}
