//! Detecting and correcting a clock's drift: its rate is changed, and if it is noticeably slow, it
//! is advanced at once. It never goes back.

use super::{Reading, Reference, Scale, rate};

/// Time from the calibration to the first check; each further interval is twice as long, up to
/// [`LONGEST_NS`].
const SHORTEST_NS: u64 = 8_000_000;
const LONGEST_NS: u64 = 1 << 30;
/// A rate is left unchanged while its error is less than one part in this many.
const GOOD_PARTS: u64 = 50_000;
/// A rate is changed only if the new one is known to one part in this many.
const KNOWN_PARTS: u64 = 500;
/// An interval that deviates by more than one part in this many starts a new measurement: the frequency has changed.
const CHANGED_PARTS: u64 = 500;
/// A reading that takes longer than one part in this many of the time since the last one is not used to
/// determine rates.
const SHARP_PARTS: u64 = 1000;
/// A clock that is behind by more than this is advanced.
const NOTICEABLE_NS: u64 = 5_000_000;
/// The longest interval that a rate is measured over.
const BASELINE_NS: u64 = 1 << 36;

/// A reading, with the reference's ticks extended beyond wraparounds.
#[derive(Clone, Copy, Debug)]
struct Point {
    reading: Reading,
    ticks: u64,
}

/// The reference for rates: the start of the measurement, and the last precise reading.
#[derive(Clone, Copy, Debug)]
struct Baseline {
    start: Point,
    end: Point,
}

/// The correction of a clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Correction {
    /// The new scale.
    pub scale: Scale,
    /// By how much the clock was fast; it keeps this lead.
    pub ahead_ns: u64,
}

/// Compares a clock with the reference.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    reference: Reference,
    /// The last reading, precise or not.
    last: Point,
    baseline: Option<Baseline>,
    next_ns: u64,
    interval_ns: u64,
    corrections: u32,
}

impl Watch {
    /// Starts with a precise reading.
    #[must_use]
    pub fn new(reference: Reference, reading: Reading, scale: &Scale) -> Self {
        let start = Point { reading, ticks: 0 };
        let mut watch = Self {
            reference,
            last: start,
            baseline: Some(Baseline { start, end: start }),
            next_ns: 0,
            interval_ns: 0,
            corrections: 0,
        };
        watch.look_soon();
        watch.next_ns = scale.at(reading.middle()).saturating_add(watch.interval_ns);
        watch
    }

    /// The time on the clock at which the next check is due.
    #[must_use]
    #[inline]
    pub const fn next_ns(&self) -> u64 {
        self.next_ns
    }

    /// Number of corrections made.
    #[must_use]
    pub const fn corrections(&self) -> u32 {
        self.corrections
    }

    /// Nanoseconds by the reference from the first reading to this one, which need not be a check.
    #[must_use]
    pub fn reference_ns(&self, reading: &Reading, scale: &Scale) -> u64 {
        let (ticks, _) = self.ticks_since_last(reading, scale);
        self.reference.nanoseconds(self.last.ticks.saturating_add(ticks))
    }

    /// Ticks since the last reading, and whether they follow from the reference alone. If it may have wrapped
    /// around, the clock determines how often.
    fn ticks_since_last(&self, reading: &Reading, scale: &Scale) -> (u64, bool) {
        let clock_ns = scale.duration(reading.middle().saturating_sub(self.last.reading.middle()));
        let clock_ticks = super::scaled(clock_ns, self.reference.hertz, super::SECOND_NS);
        let (ticks, period) =
            (self.reference.elapsed(self.last.reading.reference, reading.reference), self.reference.period());
        if clock_ticks < period / 2 {
            return (ticks, true);
        }
        let wraps = clock_ticks.saturating_sub(ticks).saturating_add(period / 2) / period;
        (ticks.saturating_add(wraps.saturating_mul(period)), false)
    }

    /// Evaluates a new reading. Returns a correction if the present scale is wrong. The new scale starts at `now`,
    /// the counter's present value, with the time that the clock shows there or a later one.
    pub fn check(&mut self, scale: &Scale, reading: Reading, now: u64) -> Option<Correction> {
        let (ticks, is_known) = self.ticks_since_last(&reading, scale);
        let point = Point { reading, ticks: self.last.ticks.saturating_add(ticks) };
        let elapsed = reading.middle().saturating_sub(self.last.reading.middle());
        self.last = point;
        if !is_known {
            self.baseline = None;
        }
        let better = self.compare(scale, point, elapsed, now);
        self.next_ns =
            better.as_ref().map_or(scale, |better| &better.scale).at(now).saturating_add(self.interval_ns);
        better
    }

    fn compare(&mut self, scale: &Scale, point: Point, elapsed: u64, now: u64) -> Option<Correction> {
        if point.reading.width() > elapsed / SHARP_PARTS {
            self.look_soon();
            return None;
        }
        let Some(baseline) = self.baseline.as_mut() else {
            self.baseline = Some(Baseline { start: point, end: point });
            self.look_soon();
            return None;
        };
        let hertz = super::scaled(super::SECOND_NS, 1 << Scale::SHIFT, scale.multiplier);
        let last = rate_between(self.reference, &baseline.end, &point)?;
        if is_outside(last, hertz, CHANGED_PARTS) {
            baseline.start = baseline.end;
        }
        baseline.end = point;
        let Baseline { start, .. } = *baseline;
        let measured = rate_between(self.reference, &start, &point)?;
        self.interval_ns = self.interval_ns.saturating_mul(2).min(longest_interval(self.reference));
        let reference_ns = self.reference.nanoseconds(point.ticks.saturating_sub(start.ticks));
        if reference_ns > BASELINE_NS {
            baseline.start = point;
        }
        if !is_outside(measured, hertz, GOOD_PARTS) || !measured.is_within(KNOWN_PARTS) {
            return None;
        }
        baseline.start = point;
        self.corrections = self.corrections.saturating_add(1);
        let shown_ns = scale.duration(point.reading.middle().saturating_sub(start.reading.middle()));
        let noticeable = |difference: u64| if difference > NOTICEABLE_NS { difference } else { 0 };
        let missed_ns = noticeable(reference_ns.saturating_sub(shown_ns));
        let scale = Scale {
            base: now,
            base_ns: scale.at(now).saturating_add(missed_ns),
            multiplier: Scale::multiplier_for(measured.middle()),
        };
        Some(Correction { scale, ahead_ns: noticeable(shown_ns.saturating_sub(reference_ns)) })
    }

    fn look_soon(&mut self) {
        self.interval_ns = longest_interval(self.reference).min(SHORTEST_NS);
    }
}

fn rate_between(reference: Reference, first: &Point, second: &Point) -> Option<rate::Range> {
    rate::between(reference, &first.reading, &second.reading, second.ticks.saturating_sub(first.ticks))
}

/// The longest time between checks: a wraparound of the reference must not go unnoticed, even if a check is
/// late.
fn longest_interval(reference: Reference) -> u64 {
    reference.nanoseconds(reference.period() / 4).min(LONGEST_NS)
}

/// Whether a frequency is outside a range by more than one part in `parts`.
fn is_outside(range: rate::Range, hertz: u64, parts: u64) -> bool {
    let slack = hertz / parts;
    hertz.saturating_add(slack) < range.low || range.high.saturating_add(slack) < hertz
}
