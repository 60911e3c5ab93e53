//! The tests that took longest, to see where the time of a whole run goes. Nothing depends on these times.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many are shown.
const SHOWN: usize = 12;

static TIMES: Mutex<Vec<(Duration, String)>> = Mutex::new(Vec::new());

/// Runs a test and notes how long it took.
pub(super) fn timed<R>(name: String, test: impl FnOnce() -> R) -> R {
    let begun = Instant::now();
    let result = test();
    TIMES.lock().unwrap_or_else(PoisonError::into_inner).push((begun.elapsed(), name));
    result
}

/// Shows the slowest of several tests.
pub(super) fn show() {
    let mut times = std::mem::take(&mut *TIMES.lock().unwrap_or_else(PoisonError::into_inner));
    if times.len() < 2 {
        return;
    }
    times.sort_unstable_by(|one, other| other.cmp(one));
    eprintln!("slowest of {} boots and other tests:", times.len());
    for (time, name) in times.iter().take(SHOWN) {
        eprintln!("  {:>4} s  {name}", time.as_secs());
    }
}
