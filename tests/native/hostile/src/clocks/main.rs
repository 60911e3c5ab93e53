//! Compares the monotonic clock with the machine's second clock while time passes.

use capos_schema::diagnostics_capnp::diagnostics;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const ROUNDS: u32 = 40;
const NAP: Duration = Duration::from_millis(50);
/// The clocks may differ by one part in this number.
const PARTS: u64 = 100;

/// The monotonic clock and the second clock, read at once by the kernel, in nanoseconds; and the monotonic clock from the
/// time page, before and after, because the time that the call takes depends on the host.
struct Clocks {
    kernel: u64,
    second: u64,
    before: Instant,
    after: Instant,
}

async fn read(diagnostics: &diagnostics::Client) -> capnp::Result<Clocks> {
    let before = Instant::now();
    let response = diagnostics.clocks_request().send().promise.await?;
    let clocks = response.get()?;
    Ok(Clocks {
        kernel: clocks.get_monotonic_nanoseconds(),
        second: clocks.get_reference_nanoseconds(),
        before,
        after: Instant::now(),
    })
}

/// Whether an interval between `least` and `most` agrees with `by_second`, measured by the second clock.
fn agree(name: &str, least: u64, most: u64, by_second: u64) -> bool {
    let slack = by_second / PARTS;
    let agrees = least <= by_second + slack && most + slack >= by_second;
    if !agrees {
        println!("clocks: {name}: {least} to {most} ns passed, by the second clock {by_second}");
    }
    agrees
}

fn nanoseconds(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_nanos()).unwrap_or(u64::MAX)
}

async fn run() -> capnp::Result<bool> {
    let diagnostics: diagnostics::Client = capos_rt::grant(capos_schema::grants::DIAGNOSTICS)
        .map_err(|error| capnp::Error::failed(error.to_string()))?;
    let start = read(&diagnostics).await?;
    let (mut last, mut ordered) = (start.after, true);
    for _ in 0..ROUNDS {
        std::thread::sleep(NAP);
        let now = Instant::now();
        ordered &= now >= last + NAP;
        last = now;
    }
    let end = read(&diagnostics).await?;
    let second = end.second.saturating_sub(start.second);
    let kernel = end.kernel.saturating_sub(start.kernel);
    let (least, most) = (nanoseconds(start.after, end.before), nanoseconds(start.before, end.after));
    let right = agree("kernel", kernel, kernel, second) & agree("page", least, most, second);
    if !ordered {
        println!("clocks: a sleep was shorter than asked for");
    }
    Ok(right && ordered)
}

fn main() -> ExitCode {
    match capos_rt::block_on(run()) {
        Ok(true) => {
            println!("clocks: agree");
            ExitCode::SUCCESS
        }
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("clocks: {error}");
            ExitCode::FAILURE
        }
    }
}
