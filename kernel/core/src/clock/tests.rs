//! Clocks on a processor that is stopped at the most unfavourable moments.

use super::{
    Reading, Reference, SECOND_NS, Scale,
    drift::Watch,
    rate::{self, MAX_READINGS, Range},
};
use proptest::prelude::*;
use std::vec::Vec;

const PM_TIMER: Reference = Reference { hertz: 3_579_545, bits: 24 };

/// Both counters as functions of true time in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Machine {
    hertz: u64,
    reference_start: u64,
}

impl Machine {
    fn counter(&self, at_ns: u64) -> u64 {
        super::scaled(at_ns, self.hertz, SECOND_NS)
    }

    fn reference(&self, at_ns: u64) -> u64 {
        (self.reference_start + super::scaled(at_ns, PM_TIMER.hertz, SECOND_NS)) & (PM_TIMER.period() - 1)
    }

    /// Takes a reading at `at_ns`; the processor is stopped for the given times before and after reading the
    /// reference.
    fn read(&self, at_ns: u64, before_ns: u64, after_ns: u64) -> Reading {
        Reading {
            before: self.counter(at_ns.saturating_sub(before_ns)),
            reference: self.reference(at_ns),
            after: self.counter(at_ns + after_ns),
        }
    }
}

fn machine() -> impl Strategy<Value = Machine> {
    (50_000_000..6_000_000_000_u64, any::<u32>())
        .prop_map(|(hertz, start)| Machine { hertz, reference_start: start.into() })
}

/// The length of a stop: mostly short, sometimes as long as on a heavily loaded host.
fn pause() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 200..3_000_u64, 1 => 3_000..50_000_000_u64, 1 => 50_000_000..2_000_000_000_u64]
}

fn readings(machine: Machine, steps: &[(u64, u64, u64)]) -> Vec<Reading> {
    let mut at_ns = 1 << 33;
    steps
        .iter()
        .map(|&(gap, before, after)| {
            at_ns += 150_000 + gap + before;
            let reading = machine.read(at_ns, before, after);
            at_ns += after;
            reading
        })
        .collect()
}

fn steps() -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
    // The sum of all eight stays below the reference's wraparound time.
    proptest::collection::vec((0..100_000_000_u64, 200..50_000_000_u64, pause()), MAX_READINGS..=MAX_READINGS)
        .prop_filter("no wrap", |steps| {
            steps.iter().map(|step| step.0 + step.1 + step.2).sum::<u64>() < 4_000_000_000
        })
}

fn is_right(range: Range, hertz: u64) -> bool {
    range.low <= hertz + 1 && hertz <= range.high + 1
}

proptest! {
    #[test]
    fn pauses_anywhere_only_make_the_range_wider(machine in machine(), steps in steps()) {
        let range = rate::agree(PM_TIMER, &readings(machine, &steps)).unwrap();
        prop_assert!(is_right(range, machine.hertz), "{range:?}");
    }

    #[test]
    fn quiet_readings_give_an_exact_rate(machine in machine(), gaps in proptest::collection::vec(0..50_000_u64, 8)) {
        let steps: Vec<_> = gaps.iter().map(|&gap| (gap, 300, 300)).collect();
        let range = rate::agree(PM_TIMER, &readings(machine, &steps)).unwrap();
        prop_assert!(is_right(range, machine.hertz), "{range:?}");
        prop_assert!(range.is_within(400), "{range:?}");
    }

    /// The reference wraps around unnoticed while the processor is stopped.
    #[test]
    fn a_stop_longer_than_the_reference_tells_is_outvoted(
        machine in machine(), at in 1..MAX_READINGS, stop_ns in 5_000_000_000..100_000_000_000_u64,
    ) {
        let mut steps = [(20_000, 300, 300); MAX_READINGS];
        steps[at].0 = stop_ns;
        let range = rate::agree(PM_TIMER, &readings(machine, &steps));
        if let Some(range) = range {
            prop_assert!(is_right(range, machine.hertz), "{range:?}");
        }
        prop_assert!(range.is_some() || at.abs_diff(4) < 1, "{at}");
    }

    #[test]
    fn nonsense_in_a_minority_of_readings_changes_little(
        machine in machine(),
        nonsense in proptest::collection::vec((0..MAX_READINGS, any::<u64>(), any::<u32>(), 0..1_000_000_u64), 0..3),
    ) {
        let mut readings = readings(machine, &[(20_000, 300, 300); MAX_READINGS]);
        for (index, before, reference, width) in nonsense {
            readings[index] = Reading { before, reference: reference.into(), after: before.saturating_add(width) };
        }
        let hertz = rate::agree(PM_TIMER, &readings).unwrap().middle();
        prop_assert!(hertz.abs_diff(machine.hertz) < machine.hertz / 50, "{hertz}");
    }

    #[test]
    fn hostile_counters_are_no_panic(
        values in proptest::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 0..10),
        multiplier in any::<u64>(), hertz in 0..u64::MAX, bits in 1..64_u32,
    ) {
        let reference = Reference { hertz, bits };
        let readings: Vec<_> =
            values.iter().map(|&(before, reference, after)| Reading { before, reference, after }).collect();
        let measured = rate::agree(reference, &readings);
        let _ = rate::choose(measured, Some(hertz));
        let scale = Scale { base: hertz, base_ns: multiplier, multiplier };
        let Some(first) = readings.first() else { return Ok(()) };
        let mut watch = Watch::new(reference, *first, &scale);
        for reading in readings {
            let _ = watch.reference_ns(&reading, &scale);
            let _ = watch.check(&scale, reading, reading.after);
        }
    }

    /// For any initial error, and however often the processor is stopped, the clock is correct within a second
    /// or two and never goes back.
    #[test]
    fn a_wrong_clock_is_put_right(
        machine in machine(), slower in 1..200_u64, faster in 1..4_u64,
        pauses in proptest::collection::vec((1_000_000..900_000_000_u64, pause(), pause()), 40),
    ) {
        let wrong = Scale::multiplier_for(machine.hertz) * faster / slower;
        let mut at_ns = 1_000_000;
        let mut scale = Scale { base: machine.counter(at_ns), base_ns: 0, multiplier: wrong };
        let mut watch = Watch::new(PM_TIMER, machine.read(at_ns, 300, 300), &scale);
        let mut shown = 0;
        for (gap, before, after) in pauses {
            at_ns += gap + before;
            let reading = machine.read(at_ns, before, after);
            at_ns += after;
            let now = machine.counter(at_ns);
            prop_assert!(scale.at(now) >= shown);
            shown = scale.at(now);
            if shown >= watch.next_ns() && let Some(better) = watch.check(&scale, reading, now) {
                prop_assert!(better.scale.at(now) >= shown);
                scale = better.scale;
                shown = scale.at(now);
            }
        }
        // A few precise readings in a row suffice.
        for _ in 0..200 {
            at_ns += 50_000_000;
            let (reading, now) = (machine.read(at_ns, 300, 300), machine.counter(at_ns + 300));
            if scale.at(now) >= watch.next_ns() {
                scale = watch.check(&scale, reading, now).map_or(scale, |better| better.scale);
            }
        }
        let (start, end) = (machine.counter(at_ns), machine.counter(at_ns + SECOND_NS));
        let second = scale.duration(end - start);
        prop_assert!(second.abs_diff(SECOND_NS) < SECOND_NS / 1000, "{second}");
    }

    #[test]
    fn a_right_clock_is_left_alone(
        machine in machine(), gaps in proptest::collection::vec((1_000_000..3_000_000_000_u64, pause(), pause()), 60),
    ) {
        let mut at_ns = 1_000_000;
        let scale = Scale {
            base: machine.counter(at_ns), base_ns: 0, multiplier: Scale::multiplier_for(machine.hertz)
        };
        let mut watch = Watch::new(PM_TIMER, machine.read(at_ns, 300, 300), &scale);
        for (gap, before, after) in gaps {
            at_ns += gap + before;
            let reading = machine.read(at_ns, before, after);
            at_ns += after;
            let now = machine.counter(at_ns);
            if scale.at(now) >= watch.next_ns() {
                prop_assert_eq!(watch.check(&scale, reading, now), None);
            }
            let error = watch.reference_ns(&reading, &scale).abs_diff(scale.at(reading.middle()));
            prop_assert!(error < 1_000_000 + before + after, "{error}");
        }
        prop_assert_eq!(watch.corrections(), 0);
    }
}

#[test]
fn the_reference_wraps_around() {
    assert_eq!(PM_TIMER.elapsed(0x00ff_fff0, 0x10), 0x20);
    assert_eq!(PM_TIMER.elapsed(5, 5), 0);
    assert_eq!(PM_TIMER.nanoseconds(3_579_545), SECOND_NS);
}

#[test]
fn an_announced_frequency_is_taken_unless_it_is_wrong() {
    let measured = Some(Range { low: 2_495_000_000, high: 2_505_000_000 });
    assert_eq!(rate::choose(measured, Some(2_500_000_123)), Some(2_500_000_123));
    assert_eq!(rate::choose(measured, Some(3_000_000_000)), Some(2_500_000_000));
    assert_eq!(rate::choose(measured, None), Some(2_500_000_000));
    assert_eq!(rate::choose(None, Some(3_000_000_000)), Some(3_000_000_000));
    assert_eq!(rate::choose(None, Some(0)), None);
    assert_eq!(rate::choose(None, None), None);
}

/// The clock of a guest on a busy host: calibrated a hundred times too slow.
#[test]
fn a_clock_that_is_far_behind_catches_up() {
    let machine = Machine { hertz: SECOND_NS, reference_start: 0x00ff_0000 };
    let scale = Scale { base: 0, base_ns: 0, multiplier: Scale::multiplier_for(SECOND_NS) / 100 };
    let mut watch = Watch::new(PM_TIMER, machine.read(1000, 300, 300), &scale);
    let now = 2 * SECOND_NS;
    let better = watch.check(&scale, machine.read(now, 300, 300), now).unwrap().scale;
    assert!(better.at(now).abs_diff(now) < 1_000_000, "{}", better.at(now));
    assert!(better.duration(SECOND_NS).abs_diff(SECOND_NS) < 1_000_000);
    assert_eq!(watch.corrections(), 1);
}
