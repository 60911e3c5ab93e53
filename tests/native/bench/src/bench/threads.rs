//! Threads of one process.

use crate::counter::{Counter, RUNS, report};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

/// All measurements with threads.
pub(crate) fn all(counter: &Counter) {
    counter.measure("thread_spawn_join", || {
        thread::spawn(|| ()).join().unwrap_or_else(|_| panic!("an empty thread panicked"));
    });
    report("thread_switch", switch(counter, || ()));
    report("thread_switch_avx", switch(counter, use_upper_halves));
    report("thread_switch_alarm", switch(counter, || capos_rt::alarm::set(crate::alarms::LATER_NS)));
    capos_rt::alarm::clear();
    futex_round_trip(counter);
}

/// Leaves values in the upper halves of vector registers, which switches then carry.
#[expect(unsafe_code, reason = "registers are filled by instructions")]
fn use_upper_halves() {
    if std::is_x86_feature_detected!("avx") {
        // SAFETY: AVX is there; both registers are declared as clobbered.
        unsafe {
            core::arch::asm!("pcmpeqd xmm0, xmm0", "vinsertf128 ymm0, ymm0, xmm0, 1", "vmovaps ymm15, ymm0",
                             out("xmm0") _, out("xmm15") _, options(nomem, nostack, preserves_flags));
        }
    }
}

/// Two threads that only yield to each other, each after a preparation. Returns the mean for one switch.
fn switch(counter: &Counter, prepare: fn()) -> u64 {
    static DONE: AtomicBool = AtomicBool::new(false);
    DONE.store(false, Ordering::Relaxed);
    let other = thread::spawn(move || {
        prepare();
        while !DONE.load(Ordering::Relaxed) {
            capos_rt::arch::yield_now();
        }
    });
    prepare();
    for _ in 0..8 {
        capos_rt::arch::yield_now();
    }
    let start = counter.read();
    for _ in 0..RUNS {
        capos_rt::arch::yield_now();
    }
    let instructions = counter.read() - start;
    DONE.store(true, Ordering::Relaxed);
    other.join().unwrap_or_else(|_| panic!("the yielding thread panicked"));
    // Each turn is a round trip.
    instructions / u64::from(2 * RUNS)
}

/// Two threads that wake each other through two futexes.
fn futex_round_trip(counter: &Counter) {
    static THERE: AtomicU32 = AtomicU32::new(0);
    static BACK: AtomicU32 = AtomicU32::new(0);
    const TURNS: u32 = RUNS + 16;
    let other = thread::spawn(|| {
        for turn in 0..TURNS {
            wait_until(&THERE, turn + 1);
            signal(&BACK, turn + 1);
        }
    });
    let mut start = 0;
    for turn in 0..TURNS {
        if turn == TURNS - RUNS {
            start = counter.read();
        }
        signal(&THERE, turn + 1);
        wait_until(&BACK, turn + 1);
    }
    let instructions = counter.read() - start;
    other.join().unwrap_or_else(|_| panic!("the answering thread panicked"));
    report("futex_round_trip", instructions / u64::from(RUNS));
}

fn signal(word: &AtomicU32, value: u32) {
    word.store(value, Ordering::Release);
    capos_rt::arch::futex_wake(word.as_ptr(), 1);
}

fn wait_until(word: &AtomicU32, value: u32) {
    loop {
        let current = word.load(Ordering::Acquire);
        if current == value {
            return;
        }
        capos_rt::arch::futex_wait(word, current, capos_abi::NO_DEADLINE);
    }
}
