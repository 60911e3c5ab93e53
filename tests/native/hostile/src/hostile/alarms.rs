//! Alarms: in a long computation, during waits and system calls, at hostile times, and with bad handlers.

use crate::calls::{must, reserve, unmap};
use crate::computation::compute;
use crate::handler::{count, handle, no_alarm, set_alarm, set_stack};
use crate::raw::{exit, poke, syscall};
use capos_abi::{ALARM_VECTOR, ErrorCode, FaultFrame, NO_DEADLINE, Syscall};
use capos_rt::now_ns;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};

const PAGE: u64 = 4096;
const MILLISECOND: u64 = 1_000_000;
/// Rounds of the computation: many alarms long, also on a fast processor.
const ROUNDS: u64 = 2_000_000;
const STACK_BYTES: u64 = 64 * 1024;

/// The time of the last alarm, and RAX then.
static WHEN_NS: AtomicU64 = AtomicU64::new(0);
static RAX: AtomicU64 = AtomicU64::new(0);
/// Time from an alarm to the next; 0 without one.
static PERIOD_NS: AtomicU64 = AtomicU64::new(0);
/// The number of handlers that have not returned.
static DEPTH: AtomicU32 = AtomicU32::new(0);

fn note(frame: &FaultFrame) {
    if (frame.vector, frame.error_code, frame.address) != (ALARM_VECTOR, 0, 0) {
        // Vectors are below 256.
        exit(1000 + frame.vector as i32);
    }
    WHEN_NS.store(now_ns(), SeqCst);
    RAX.store(frame.rax, SeqCst);
    // On a slow machine the handler may take longer than the period, and the next alarm interrupts it: that one waits
    // longer, so that they do not nest without end.
    let depth = DEPTH.fetch_add(1, SeqCst);
    match PERIOD_NS.load(SeqCst) {
        0 => {}
        period_ns => set_alarm(now_ns() + (period_ns << depth.min(16))),
    }
    DEPTH.fetch_sub(1, SeqCst);
}

/// Reads the clock for the first time, which takes a call.
fn map_clock() {
    core::hint::black_box(now_ns());
}

pub(crate) fn prepare() {
    map_clock();
    handle(note);
}

fn use_own_stack() {
    set_stack(must(reserve(0, STACK_BYTES, "rw")), STACK_BYTES);
}

/// Runs the same computation without alarms and with one every 50 µs.
pub(crate) fn compare<T: PartialEq>(compute: fn(u64) -> T) -> i32 {
    let alone = compute(ROUNDS);
    PERIOD_NS.store(50_000, SeqCst);
    set_alarm(now_ns());
    let interrupted = compute(ROUNDS);
    PERIOD_NS.store(0, SeqCst);
    no_alarm();
    match alone == interrupted {
        true if count() < 20 => 2,
        true => 0,
        false => 1,
    }
}

pub(crate) fn alarm_keeps_registers() -> i32 {
    prepare();
    compare(compute)
}

pub(crate) fn alarm_keeps_registers_on_its_stack() -> i32 {
    prepare();
    use_own_stack();
    compare(compute)
}

pub(crate) fn alarm_breaks_a_loop() -> i32 {
    prepare();
    set_alarm(now_ns() + MILLISECOND);
    while count() == 0 {}
    0
}

/// A wait ends at its own deadline; the alarm comes then, with the result in RAX.
pub(crate) fn alarm_while_waiting() -> i32 {
    static WORD: AtomicU32 = AtomicU32::new(0);
    prepare();
    let until = now_ns() + 20 * MILLISECOND;
    set_alarm(until - 15 * MILLISECOND);
    let result = syscall(Syscall::FutexWait as u64, WORD.as_ptr() as u64, 0, until);
    let timed_out = -i64::from(ErrorCode::TimedOut as i32);
    if result != timed_out || count() != 1 || RAX.load(SeqCst) as i64 != timed_out {
        return 1;
    }
    if WHEN_NS.load(SeqCst) < until {
        return 2;
    }
    // The same for completions: none comes.
    let until = now_ns() + 20 * MILLISECOND;
    set_alarm(until - 15 * MILLISECOND);
    let result = syscall(Syscall::CapEnter as u64, 0, 1, until);
    if (result, count(), RAX.load(SeqCst)) == (0, 2, 0) && WHEN_NS.load(SeqCst) >= until { 0 } else { 3 }
}

/// System calls with work in the kernel that takes longer than the alarm.
pub(crate) fn alarm_during_a_call() -> i32 {
    prepare();
    for turn in 0..30 {
        let start = must(reserve(0, 512 * PAGE, "rw"));
        (0..512).for_each(|page| poke(start + page * PAGE, 1));
        set_alarm(now_ns() + turn * 20_000);
        let status = unmap(start, 512 * PAGE);
        if status != 0 {
            return status;
        }
        while count() <= turn as u32 {}
    }
    i32::from(count() != 30)
}

pub(crate) fn alarm_again_and_again() -> i32 {
    prepare();
    PERIOD_NS.store(20_000, SeqCst);
    set_alarm(0);
    while count() < 1000 {}
    no_alarm();
    let last = count();
    let until = now_ns() + MILLISECOND;
    while now_ns() < until {}
    i32::from(count() != last)
}

/// An alarm within the handler nests.
pub(crate) fn alarm_nests() -> i32 {
    static DEPTH: AtomicU32 = AtomicU32::new(0);
    fn deeper(frame: &FaultFrame) {
        let depth = DEPTH.fetch_add(1, SeqCst);
        if frame.rax != 0 || depth > 8 {
            exit(92);
        }
        if depth < 8 {
            set_alarm(0);
            // The nested handler has returned.
            if DEPTH.load(SeqCst) != 9 {
                exit(93);
            }
        }
    }
    map_clock();
    handle(deeper);
    use_own_stack();
    set_alarm(0);
    i32::from(count() != 9)
}

/// On a stack that lacks 16 bytes for the second frame, nesting ends the process.
pub(crate) fn alarm_nests_too_deep() -> i32 {
    static FRAMES: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
    fn nest_once(frame: &FaultFrame) {
        let depth = (count() - 1) % 2;
        FRAMES[depth as usize].store((&raw const *frame) as u64, SeqCst);
        if depth == 0 {
            set_alarm(0);
        }
    }
    handle(nest_once);
    use_own_stack();
    set_alarm(0);
    let [first, second] = FRAMES.each_ref().map(|frame| frame.load(SeqCst));
    let start = must(reserve(0, STACK_BYTES, "rw"));
    let length = size_of::<FaultFrame>() as u64 + first - second;
    set_stack(start, length);
    set_alarm(0);
    if count() != 4 {
        return 1;
    }
    set_stack(start, length - 16);
    set_alarm(0);
    2
}

pub(crate) fn alarm_without_a_handler() -> i32 {
    map_clock();
    set_alarm(0);
    set_alarm(now_ns() + MILLISECOND);
    let until = now_ns() + 5 * MILLISECOND;
    while now_ns() < until {}
    // It is not kept for later.
    handle(note);
    let until = now_ns() + 5 * MILLISECOND;
    while now_ns() < until {}
    i32::from(count() != 0)
}

pub(crate) fn alarm_on_unmapped_stack() -> i32 {
    prepare();
    set_stack(0x6000_0000_0000, STACK_BYTES);
    set_alarm(now_ns() + MILLISECOND);
    loop {
        core::hint::spin_loop();
    }
}

pub(crate) fn alarm_on_small_stack() -> i32 {
    prepare();
    set_stack(must(reserve(0, PAGE, "rw")), 128);
    set_alarm(0);
    0
}

pub(crate) fn alarm_at_hostile_times() -> i32 {
    prepare();
    set_alarm(0);
    if count() != 1 {
        return 1;
    }
    set_alarm(u64::MAX - 1);
    set_alarm(1 << 63);
    let until = now_ns() + 5 * MILLISECOND;
    while now_ns() < until {}
    set_alarm(NO_DEADLINE);
    set_alarm(now_ns() - 1);
    i32::from(count() != 2)
}

/// Alarms that are due when they are set, without end.
pub(crate) fn alarm_storm() -> i32 {
    handle(|_| {});
    loop {
        set_alarm(0);
    }
}

/// Runs to its end beside that.
pub(crate) fn find_turns() -> i32 {
    for _ in 0..100 {
        syscall(Syscall::Yield as u64, 0, 0, 0);
    }
    0
}
