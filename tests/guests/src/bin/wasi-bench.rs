#![expect(unsafe_code, reason = "calls WASI itself, without the C library's own work around it")]
// Unsafe here: WASI functions take addresses.
//! Measures WASI calls from inside, with the monotonic clock, and prints `name value unit`. An argument is put before the names.
//!
//! Meant to run under QEMU's `-icount shift=0`, where a nanosecond is an instruction.

use std::io::Write;

const RUNS: u32 = 256;
const MEANS: u32 = 3;
/// Iterations of the measured loop.
const ROUNDS: u32 = 1000;
const MONOTONIC: u32 = 1;
const STDOUT: u32 = 1;

/// A buffer in the layout of `fd_write`.
#[repr(C)]
struct Buffer {
    address: *const u8,
    len_bytes: usize,
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn clock_time_get(id: u32, precision: u64, time: *mut u64) -> u32;
    fn fd_write(fd: u32, buffers: *const Buffer, count: usize, written: *mut usize) -> u32;
}

fn now_ns() -> u64 {
    let mut time = 0;
    // SAFETY: `time` is valid for the result.
    let errno = unsafe { clock_time_get(MONOTONIC, 1, &mut time) };
    assert_eq!(errno, 0, "the clock is granted");
    time
}

/// Mean cost of `run` in nanoseconds, including the loop around it: the lowest of several means, since turns of other tasks may
/// fall into some.
fn measure(mut run: impl FnMut()) -> u64 {
    for _ in 0..16 {
        run();
    }
    let mut mean = || {
        let start = now_ns();
        for _ in 0..RUNS {
            run();
        }
        (now_ns() - start) / u64::from(RUNS)
    };
    (0..MEANS).map(|_| mean()).min().unwrap_or_default()
}

/// A loop without calls and with few memory accesses, typical of computing programs.
#[inline(never)]
fn compute(words: &mut [u32; 256], rounds: u32) -> u32 {
    let mut state = 1u32;
    for round in 0..rounds {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let word = &mut words[(state >> 24) as usize];
        *word = word.wrapping_add(round) ^ state;
    }
    state
}

fn main() -> std::io::Result<()> {
    let clock = measure(|| {
        std::hint::black_box(now_ns());
    });
    // Sixty-three spaces and a line feed, which is not parsed as a result.
    let mut line = [b' '; 64];
    line[63] = b'\n';
    let buffer = Buffer { address: line.as_ptr(), len_bytes: line.len() };
    let mut failures = 0;
    let write = measure(|| {
        let mut written = 0;
        // SAFETY: `buffer` describes `line`, and `written` is valid for the result.
        failures += unsafe { fd_write(STDOUT, &buffer, 1, &mut written) };
    });
    assert_eq!(failures, 0, "the console is granted");
    let mut words = [0; 256];
    let computed = measure(|| {
        std::hint::black_box(compute(&mut words, ROUNDS));
    });
    let prefix = std::env::args().nth(1).unwrap_or_default();
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{prefix}wasi_clock_time_get {clock} instructions")?;
    writeln!(stdout, "{prefix}wasi_fd_write_64 {write} instructions")?;
    writeln!(stdout, "{prefix}wasm_loop_1000 {computed} instructions")
}
