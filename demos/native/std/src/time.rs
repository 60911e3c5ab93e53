use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tests both clocks, and sleeping between readings.
pub(crate) fn all() {
    let before = Instant::now();
    let nap = Duration::from_millis(5);
    sleep(nap);
    println!("monotonic clock: slept {}", if before.elapsed() >= nap { "long enough" } else { "too short" });
    let years = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 31_556_952);
    println!("time of day: {}", if years >= 54 { "after 2024" } else { "long ago" });
}
