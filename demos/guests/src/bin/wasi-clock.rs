//! Tests the granted clocks: the monotonic one advances, the real time is plausible, and a sleep is not too
//! short.

use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// 2024-01-01 and 2100-01-01, in seconds since 1970.
const PLAUSIBLE_SECONDS: std::ops::Range<u64> = 1_704_067_200..4_102_444_800;

fn monotonic_advances() -> bool {
    let start = Instant::now();
    let mut last = start;
    for _ in 0..1_000_000 {
        let now = Instant::now();
        if now < last {
            return false;
        }
        last = now;
        if now > start {
            return true;
        }
    }
    false
}

fn real_time_is_plausible() -> bool {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .is_ok_and(|since| PLAUSIBLE_SECONDS.contains(&since.as_secs()))
}

fn sleep_takes_its_time() -> bool {
    [1, 20, 50].map(Duration::from_millis).into_iter().all(|asked| {
        let start = Instant::now();
        sleep(asked);
        start.elapsed() >= asked
    })
}

fn main() -> ExitCode {
    let verdicts = [
        ("monotonic clock advances", monotonic_advances()),
        ("real time is plausible", real_time_is_plausible()),
        ("sleep takes at least as long as asked", sleep_takes_its_time()),
    ];
    for (what, holds) in verdicts {
        println!("{what}: {}", if holds { "yes" } else { "no" });
    }
    if verdicts.iter().all(|(_, holds)| *holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
