//! Pairs of fuzzers, each pair sharing an endpoint, until a million calls have been made.

use crate::start::Launcher;
use std::sync::atomic::Ordering;

/// Random `cap_enter` calls that the kernel must survive.
const CALLS: u64 = 1_000_000;
/// Maximum number of fuzzers that may end before doing anything useful.
const STARTS: u64 = 2_000;

/// Returns the number of failed checks.
pub(crate) async fn run(launcher: &Launcher) -> Result<usize, capnp::Error> {
    let (counter, count) = launcher.shared_counter().await?;
    let mut seed = 0_u64;
    while count.load(Ordering::Relaxed) < CALLS {
        if seed >= STARTS {
            let made = count.load(Ordering::Relaxed);
            println!("faults: fuzz: only {made} calls after {seed} fuzzers");
            return Ok(1);
        }
        let endpoint = launcher.endpoint().await?;
        let first = launcher.start_fuzzer(seed, &counter, &endpoint).await?;
        let second = launcher.start_fuzzer(seed + 1, &counter, &endpoint).await?;
        seed += 2;
        // A fuzzer may end in any way; the kernel must report both ends.
        first.wait_request().send().promise.await?;
        second.wait_request().send().promise.await?;
        let problems = launcher.self_check().await?;
        for problem in &problems {
            println!("faults: fuzz: after seed {seed}: {problem}");
        }
        if !problems.is_empty() {
            return Ok(problems.len());
        }
    }
    println!("faults: fuzz: {CALLS} random calls survived");
    Ok(0)
}
