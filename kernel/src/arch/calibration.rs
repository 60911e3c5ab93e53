//! Reads the time-stamp counter and the local timer together with a reference clock. `capos_kernel_core::clock` evaluates
//! the readings.

use super::{acpi, pit, time};
use capos_kernel_core::clock::{
    Reading, Reference,
    rate::{self, MAX_READINGS, Range},
};
use core::{
    arch::x86_64::__cpuid,
    sync::atomic::{AtomicU8, Ordering},
};

/// Number of attempts, of which the fastest counts.
const ATTEMPTS: usize = 3;
/// The first round takes about a millisecond: this is the distance between its readings. Each further one takes
/// twice as long.
const FIRST_GAP_NS: u64 = 140_000;
const ROUNDS: u32 = 8;
/// Sufficient precision for a start: one part in this many.
const GOOD_PARTS: u64 = 100;
/// Number of polls before a reference that does not advance is given up.
const POLL_LIMIT: u32 = 1_000_000;

/// The selected reference clock.
static SOURCE: AtomicU8 = AtomicU8::new(Source::None as u8);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Source {
    None,
    AcpiTimer,
    IntervalTimer,
}

fn source() -> Source {
    match SOURCE.load(Ordering::Relaxed) {
        1 => Source::AcpiTimer,
        2 => Source::IntervalTimer,
        _ => Source::None,
    }
}

/// The reference clock, if the machine has one.
pub fn reference() -> Option<Reference> {
    match source() {
        Source::AcpiTimer => acpi::timer_reference(),
        Source::IntervalTimer => Some(pit::REFERENCE),
        Source::None => None,
    }
}

fn read_reference() -> u64 {
    match source() {
        Source::AcpiTimer => acpi::read_timer(),
        Source::IntervalTimer => pit::read(),
        Source::None => 0,
    }
}

/// Reads the reference together with the time-stamp counter, as fast as possible.
pub fn read() -> Reading {
    let once = || {
        let before = time::read_tsc();
        let reference = read_reference();
        Reading { before, reference, after: time::read_tsc() }
    };
    (1..ATTEMPTS).fold(once(), |best, _| {
        let other = once();
        if other.width() < best.width() { other } else { best }
    })
}

/// Readings of the reference together with both calibrated counters.
#[derive(Clone, Copy)]
struct Both {
    tsc: Reading,
    timer: Reading,
}

fn read_both(count: &impl Fn() -> u64) -> Both {
    let once = || {
        let (tsc, timer) = (time::read_tsc(), count());
        let reference = read_reference();
        let (timer_after, tsc_after) = (count(), time::read_tsc());
        Both {
            tsc: Reading { before: tsc, reference, after: tsc_after },
            timer: Reading { before: timer, reference, after: timer_after },
        }
    };
    (1..ATTEMPTS).fold(once(), |best, _| {
        let other = once();
        if other.tsc.width() < best.tsc.width() { other } else { best }
    })
}

/// Frequencies in hertz.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    /// Of the time-stamp counter.
    pub(super) tsc: u64,
    /// Of the local timer.
    pub(super) timer: u64,
}

/// Calibrates the time-stamp counter and the local timer. `restart` makes the timer count from its maximum, `count`
/// returns how far it has counted. `None` on a machine without a usable reference.
pub(super) fn rates(restart: impl Fn(), count: impl Fn() -> u64) -> Option<Rates> {
    choose_reference();
    let (mut tsc, mut timer) = (None, None);
    let mut gap_ns = FIRST_GAP_NS;
    if let Some(reference) = reference() {
        for _ in 0..ROUNDS {
            restart();
            round(reference, gap_ns, &count, &mut tsc, &mut timer);
            if [tsc, timer].iter().all(|range| range.is_some_and(|range| range.is_within(GOOD_PARTS))) {
                break;
            }
            gap_ns *= 2;
        }
    }
    let announced = announced();
    Some(Rates { tsc: rate::choose(tsc, announced.tsc)?, timer: rate::choose(timer, announced.timer)? })
}

/// Takes a set of readings `gap_ns` apart, and keeps it if it is more precise than before.
fn round(
    reference: Reference,
    gap_ns: u64,
    count: &impl Fn() -> u64,
    tsc: &mut Option<Range>,
    timer: &mut Option<Range>,
) {
    let gap = gap_ns * reference.hertz / 1_000_000_000;
    let mut readings = [read_both(count); MAX_READINGS];
    for place in readings.iter_mut().skip(1) {
        let start = read_reference();
        let passed = (0..POLL_LIMIT).any(|_| reference.elapsed(start, read_reference()) >= gap);
        if !passed {
            return;
        }
        *place = read_both(count);
    }
    let keep = |known: &mut Option<Range>, readings: [Reading; MAX_READINGS]| {
        let new = rate::agree(reference, &readings);
        let width = |range: &Range| range.high - range.low;
        *known = known.iter().copied().chain(new).min_by_key(width);
    };
    keep(tsc, readings.map(|both| both.tsc));
    keep(timer, readings.map(|both| both.timer));
}

/// Selects the first reference that advances.
fn choose_reference() {
    pit::start();
    for candidate in [Source::AcpiTimer, Source::IntervalTimer] {
        SOURCE.store(candidate as u8, Ordering::Relaxed);
        let first = read_reference();
        if reference().is_some() && (0..POLL_LIMIT).any(|_| read_reference() != first) {
            return;
        }
    }
    SOURCE.store(Source::None as u8, Ordering::Relaxed);
}

/// Frequencies reported by the processor or the hypervisor.
#[derive(Default)]
struct Announced {
    tsc: Option<u64>,
    timer: Option<u64>,
}

fn announced() -> Announced {
    const HYPERVISOR: u32 = 0x4000_0000;
    let is_virtual = __cpuid(1).ecx & 1 << 31 != 0;
    if is_virtual && __cpuid(HYPERVISOR).eax >= HYPERVISOR + 0x10 {
        let khz = __cpuid(HYPERVISOR + 0x10);
        let hertz = |khz: u32| Some(u64::from(khz) * 1000).filter(|&hertz| hertz > 0);
        return Announced { tsc: hertz(khz.eax), timer: hertz(khz.ebx) };
    }
    let last = __cpuid(0).eax;
    if last >= 0x15 {
        let ratio = __cpuid(0x15);
        let [denominator, numerator, crystal] = [ratio.eax, ratio.ebx, ratio.ecx].map(u64::from);
        if denominator != 0 && numerator != 0 && crystal != 0 {
            return Announced { tsc: Some(crystal * numerator / denominator), timer: Some(crystal) };
        }
    }
    if last >= 0x16 {
        let base = u64::from(__cpuid(0x16).eax & 0xffff) * 1_000_000;
        return Announced { tsc: Some(base).filter(|&hertz| hertz > 0), timer: None };
    }
    Announced::default()
}
