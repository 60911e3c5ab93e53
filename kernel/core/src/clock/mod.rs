//! Clocks: how fast a counter runs, measured against another of known frequency, and what follows when the two disagree later.
//!
//! A virtual processor can be stopped anywhere for any time, also between reading one counter and the other. So every
//! reading of the reference stands between two readings of the measured counter, and only what must be true in between is
//! believed.

pub mod drift;
pub mod rate;
#[cfg(test)]
mod tests;

pub(crate) const SECOND_NS: u64 = 1_000_000_000;

/// A free-running counter of known frequency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reference {
    /// Ticks in a second.
    pub hertz: u64,
    /// Bits after which it wraps around, at most 63.
    pub bits: u32,
}

impl Reference {
    /// Ticks until it reads the same again.
    #[must_use]
    pub const fn period(&self) -> u64 {
        1 << self.bits
    }

    /// Ticks from one value to a later one, if it has not wrapped around more than once in between.
    #[must_use]
    pub const fn elapsed(&self, from: u64, to: u64) -> u64 {
        to.wrapping_sub(from) & (self.period() - 1)
    }

    /// How long that many ticks take.
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
    /// How far the measured counter ran meanwhile.
    #[must_use]
    pub const fn width(&self) -> u64 {
        self.after.saturating_sub(self.before)
    }

    /// Where the measured counter stood when the reference was read, within half the width.
    #[must_use]
    pub const fn middle(&self) -> u64 {
        self.before.saturating_add(self.width() / 2)
    }
}

/// How counter steps become nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Scale {
    /// The counter at `base_ns`.
    pub base: u64,
    /// Nanoseconds when the counter read `base`.
    pub base_ns: u64,
    /// Nanoseconds for each step, times 2^[`Scale::SHIFT`].
    pub multiplier: u64,
}

impl Scale {
    /// See [`Scale::multiplier`].
    pub const SHIFT: u32 = 32;

    /// The multiplier for a counter that makes `hertz` steps a second.
    #[must_use]
    pub fn multiplier_for(hertz: u64) -> u64 {
        scaled(SECOND_NS, 1 << Self::SHIFT, hertz)
    }

    /// The time when the counter reads `counter`.
    #[must_use]
    pub fn at(&self, counter: u64) -> u64 {
        self.base_ns.saturating_add(self.duration(counter.saturating_sub(self.base)))
    }

    /// How many steps so many nanoseconds, at most 2^32, are.
    #[must_use]
    #[inline]
    pub const fn steps(&self, nanoseconds: u64) -> u64 {
        let multiplier = if self.multiplier == 0 { 1 } else { self.multiplier };
        (nanoseconds << Self::SHIFT) / multiplier
    }

    /// How long that many steps take.
    #[must_use]
    pub fn duration(&self, steps: u64) -> u64 {
        scaled(steps, self.multiplier, 1 << Self::SHIFT)
    }
}

/// `value * by / over` without overflow in between. Saturates.
pub(crate) fn scaled(value: u64, by: u64, over: u64) -> u64 {
    u64::try_from(u128::from(value) * u128::from(by) / u128::from(over.max(1))).unwrap_or(u64::MAX)
}
