//! Determining a frequency from several readings.

use super::{Reading, Reference, scaled};

/// The most readings that are compared.
pub const MAX_READINGS: usize = 8;
const MAX_PAIRS: usize = MAX_READINGS * (MAX_READINGS - 1) / 2;
/// An announced frequency is accepted if it is outside the measured range by at most one part in this many.
const TRUST_PARTS: u64 = 1000;

/// A frequency between two bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// Lower bound, in hertz.
    pub low: u64,
    /// Upper bound, in hertz.
    pub high: u64,
}

impl Range {
    /// The middle of the range.
    #[must_use]
    pub const fn middle(&self) -> u64 {
        self.low + (self.high - self.low) / 2
    }

    /// Whether the frequency is known to one part in `parts`.
    #[must_use]
    pub const fn is_within(&self, parts: u64) -> bool {
        (self.high - self.low).saturating_mul(parts) <= self.middle()
    }

    fn contains(&self, hertz: u64, slack: u64) -> bool {
        self.low.saturating_sub(slack) <= hertz && hertz <= self.high.saturating_add(slack)
    }
}

/// The frequencies consistent with two readings, which are `ticks` of the reference apart. `None` if they are too
/// close together.
#[must_use]
pub fn between(reference: Reference, first: &Reading, second: &Reading, ticks: u64) -> Option<Range> {
    // Counters show whole ticks, so the true number may be up to one more or less.
    if ticks < 2 {
        return None;
    }
    let shortest = second.before.saturating_sub(first.after);
    let longest = second.after.saturating_sub(first.before);
    let low = scaled(shortest, reference.hertz, ticks + 1);
    let high = scaled(longest, reference.hertz, ticks - 1).saturating_add(1);
    (low <= high).then_some(Range { low, high })
}

/// The frequency that most pairs of readings agree on; `None` unless a majority of the readings do. If the processor
/// was stopped so long that the reference wrapped around unnoticed, the pairs across that gap agree with no others. Uses
/// the first [`MAX_READINGS`].
#[must_use]
pub fn agree(reference: Reference, readings: &[Reading]) -> Option<Range> {
    let readings = readings.get(..MAX_READINGS.min(readings.len()))?;
    // Bounds in ascending order; at equal values, starts of ranges come before ends.
    let mut bounds = [(u64::MAX, Bound::End); 2 * MAX_PAIRS];
    let mut count = 0;
    for (index, second) in readings.iter().enumerate() {
        for first in readings.iter().take(index) {
            let ticks = reference.elapsed(first.reference, second.reference);
            if let Some(range) = between(reference, first, second, ticks)
                && let Some([begin, end]) = bounds.get_mut(count..count + 2)
            {
                (*begin, *end) = ((range.low, Bound::Begin), (range.high, Bound::End));
                count += 2;
            }
        }
    }
    let bounds = bounds.get_mut(..count)?;
    bounds.sort_unstable();
    let (mut depth, mut deepest, mut best) = (0_usize, 0, None);
    for pair in bounds.windows(2) {
        let [(low, kind), (high, _)] = *pair else { continue };
        match kind {
            Bound::Begin => depth += 1,
            Bound::End => depth = depth.saturating_sub(1),
        }
        if kind == Bound::Begin && depth > deepest {
            (deepest, best) = (depth, Some(Range { low, high }));
        }
    }
    let majority = readings.len() / 2 + 1;
    best.filter(|_| deepest >= majority * (majority - 1) / 2)
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Bound {
    Begin,
    End,
}

/// The initial frequency: an announced one unless the measurement contradicts it, otherwise the measured one.
#[must_use]
pub fn choose(measured: Option<Range>, announced: Option<u64>) -> Option<u64> {
    match (measured, announced) {
        (Some(range), Some(hertz)) if range.contains(hertz, hertz / TRUST_PARTS) => Some(hertz),
        (Some(range), _) => Some(range.middle()).filter(|&hertz| hertz > 0),
        (None, announced) => announced.filter(|&hertz| hertz > 0),
    }
}
