//! Out-of-memory conditions: at each of the kernel's allocations in turn, and by processes that take all memory.

use crate::start::{Launcher, describe, small_limits};
use capos_schema::{
    power_capnp::power,
    process_capnp::{UsedUp, exit_cause, process},
};
use parent::limits;

/// Number of consecutive failing allocations.
const FAILING: u32 = 3;
/// Exit status of a program that did not reach the failing allocation.
const NOT_REACHED: i32 = 77;
/// More allocations than any of these tests makes.
const NEVER: u64 = 1 << 40;
/// Frames reserved from processes, and a few more.
const NEARLY_NONE: u64 = 96;
/// How long to wait for other processes, in steps of a millisecond.
const PATIENCE: u32 = 20_000;
/// Number of calls by others before resources are counted.
const SETTLING: u32 = 50;
/// Number of calls while memory is exhausted.
const CALLS: u32 = 200;

/// The counts that must be unchanged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Counts {
    processes: u32,
    threads: u32,
    capabilities: u32,
    endpoints: u32,
}

/// Returns the number of failed checks. If there are none, the machine is powered off afterwards.
pub(crate) async fn run() -> Result<usize, capnp::Error> {
    let launcher = Launcher::new().await?;
    let power: power::Client = capos_rt::grant(capos_schema::grants::POWER)
        .map_err(|error| capnp::Error::failed(error.to_string()))?;
    // One-time growth happens now.
    for _ in 0..3 {
        start_fails_at(&launcher, NEVER).await?;
        runs_short_at(&launcher, NEVER).await?;
    }
    // Ended processes take a moment to be torn down.
    for _ in 0..SETTLING {
        sleep(&launcher).await?;
    }
    let before = counts(&launcher).await?.0;
    let mut failures = 0;
    failures += each("starting a process", &launcher, before, start_fails_at).await?;
    failures += each("a bit of everything", &launcher, before, runs_short_at).await?;
    failures += greedy(&launcher, before).await?;
    for problem in launcher.self_check().await? {
        println!("memory: self-check: {problem}");
        failures += 1;
    }
    if failures == 0 {
        println!("memory: going off without any");
        let mut off = power.power_off_request();
        off.get().set_status(0);
        fail_allocations(&launcher, 1, u32::MAX).await?;
        off.send().promise.await?;
    }
    Ok(failures.max(1))
}

/// The result of a trial.
enum Trial {
    /// It reached the failing allocations.
    Met,
    /// It ended before reaching them.
    NotReached,
    /// It failed for another reason than lack of memory.
    Wrong(String),
}

/// Repeats a trial with the first allocation failing, then the second, until that is not reached.
async fn each(
    name: &str,
    launcher: &Launcher,
    before: Counts,
    trial: impl AsyncFn(&Launcher, u64) -> Result<Trial, capnp::Error>,
) -> Result<usize, capnp::Error> {
    let mut failures = 0;
    for number in 1.. {
        match trial(launcher, number).await? {
            Trial::Met => {}
            Trial::NotReached if number > 10 => break,
            Trial::NotReached => {
                println!("memory: {name}: no more than {number} allocations");
                return Ok(1);
            }
            Trial::Wrong(what) => {
                println!("memory: {name}: at allocation {number}: {what}");
                failures += 1;
            }
        }
        if !settles(launcher, before).await? {
            let now = counts(launcher).await?.0;
            println!("memory: {name}: after allocation {number}: {before:?} became {now:?}");
            return Ok(failures + 1);
        }
    }
    println!("memory: {name}: every allocation may fail");
    Ok(failures)
}

/// Starts a process.
async fn start_fails_at(launcher: &Launcher, number: u64) -> Result<Trial, capnp::Error> {
    fail_allocations(launcher, number, FAILING).await?;
    let started = launcher.start(&["wait_for_ever"], small_limits()).await;
    let pending = fail_allocations(launcher, 0, 0).await?;
    match started {
        Ok(process) => end(&process).await?,
        Err(error) if error.kind == capnp::ErrorKind::Overloaded => {}
        Err(error) => return Ok(Trial::Wrong(error.to_string())),
    }
    Ok(if pending { Trial::NotReached } else { Trial::Met })
}

/// Runs a program that needs memory.
async fn runs_short_at(launcher: &Launcher, number: u64) -> Result<Trial, capnp::Error> {
    let process = launcher.start_in_shortage(number).await?;
    let response = process.wait_request().send().promise.await?;
    fail_allocations(launcher, 0, 0).await?;
    let cause = response.get()?.get_cause()?;
    Ok(match cause.which()? {
        exit_cause::Exited(0) => Trial::Met,
        // Its budget suffices.
        exit_cause::OutOfMemory(_) if cause.get_used_up()? == UsedUp::Machine => Trial::Met,
        exit_cause::Exited(NOT_REACHED) => Trial::NotReached,
        _ => Trial::Wrong(describe(cause)?),
    })
}

/// Lets processes take all memory, continues without any, and ends them.
async fn greedy(launcher: &Launcher, before: Counts) -> Result<usize, capnp::Error> {
    let mut processes = Vec::new();
    for frames in [1 << 18, 1 << 14, 1 << 14, 1 << 14] {
        processes.push(launcher.start(&["greedy"], limits(frames, 0, 0, 4)).await?);
    }
    let mut patience = PATIENCE;
    while counts(launcher).await?.1 > NEARLY_NONE && patience > 0 {
        sleep(launcher).await?;
        patience -= 1;
    }
    let mut failures = 0;
    if patience == 0 {
        println!("memory: there is still memory");
        failures += 1;
    }
    // Calls of other processes continue meanwhile.
    for _ in 0..CALLS {
        sleep(launcher).await?;
    }
    match launcher.start(&["wait_for_ever"], small_limits()).await {
        Err(error) if error.kind == capnp::ErrorKind::Overloaded => {}
        Err(error) => {
            println!("memory: starting without memory: {error}");
            failures += 1;
        }
        Ok(process) => end(&process).await?,
    }
    for process in processes {
        end(&process).await?;
    }
    if !settles(launcher, before).await? {
        println!("memory: {before:?} became {:?}", counts(launcher).await?.0);
        failures += 1;
    }
    println!("memory: greedy processes are refused, and others go on");
    Ok(failures)
}

/// Ends a process. Everything that it waited for or used is released when this returns.
async fn end(process: &process::Client) -> Result<(), capnp::Error> {
    process.kill_request().send().promise.await?;
    process.wait_request().send().promise.await?;
    Ok(())
}

async fn fail_allocations(launcher: &Launcher, number: u64, count: u32) -> Result<bool, capnp::Error> {
    let mut request = launcher.diagnostics().fail_allocations_request();
    request.get().set_number(number);
    request.get().set_count(count);
    Ok(request.send().promise.await?.get()?.get_pending())
}

/// The kernel's records, and the number of free frames.
async fn counts(launcher: &Launcher) -> Result<(Counts, u64), capnp::Error> {
    let response = launcher.diagnostics().counters_request().send().promise.await?;
    let counters = response.get()?;
    let counts = Counts {
        processes: counters.get_processes(),
        threads: counters.get_threads(),
        capabilities: counters.get_capabilities(),
        endpoints: counters.get_endpoints(),
    };
    Ok((counts, counters.get_frames_free()))
}

/// Whether the kernel's records are as before, or soon are.
async fn settles(launcher: &Launcher, before: Counts) -> Result<bool, capnp::Error> {
    for _ in 0..PATIENCE {
        if counts(launcher).await?.0 == before {
            return Ok(true);
        }
        sleep(launcher).await?;
    }
    Ok(false)
}

/// Lets others run for a millisecond.
async fn sleep(launcher: &Launcher) -> Result<(), capnp::Error> {
    let now = launcher.timer().now_request().send().promise.await?.get()?.get_nanoseconds();
    let mut request = launcher.timer().sleep_until_request();
    request.get().set_nanoseconds(now + 1_000_000);
    request.send().promise.await?;
    Ok(())
}
