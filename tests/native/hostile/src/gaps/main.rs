//! Starts programs that keep the processor or the kernel busy, one after another, and measures how long this process is
//! delayed: beside programs of its own priority, and beside lower-priority ones. Meant for a machine that counts
//! instructions (`capos run --icount`), where a nanosecond is one. With the argument `beside` it starts nothing, and only
//! measures beside the manifest's other programs. With the name of a case as its argument it is one of the programs.

mod case;
mod launcher;

use capos_schema::process_capnp::{exit_cause, process};
use core::future::Future;
use core::pin::pin;
use core::task::Poll;
use launcher::Launcher;
use std::time::{Duration, Instant};

/// This process's priority, as set in the manifest.
const OWN_PRIORITY: u8 = 20;

/// Beside equal priorities, which get turns of 5 ms each.
const EQUAL_BOUND: Duration = Duration::from_millis(50);
/// Beside lower priorities: the kernel's longest step, and the return from a sleep.
const LOWER_BOUND: Duration = Duration::from_micros(400);
/// The longest time that the kernel may run without a preemption point.
const STRETCH_BOUND_NS: u64 = 200_000;

/// Programs that never stop, at the same priority.
const EQUALS: [&str; 4] = ["spin", "call_pong", "futex_pong", "alarm_storm"];
/// Programs that end, at the lowest priority.
const LOWERS: [&str; 28] = [
    "log_flood",
    "console_flood",
    "entropy_flood",
    "message_flood",
    "capability_flood",
    "badges",
    "tree_end",
    "tree_revoke",
    "pages_unmap",
    "pages_end",
    "huge_objects",
    "objects_end",
    "objects_unmap",
    "mappings_unmap",
    "mappings_end",
    "regions_end",
    "regions_unmap",
    "crowd_wakes",
    "crowd_ends",
    "crowd_sleeps",
    "bad_calls",
    "bad_receives",
    "calls_end",
    "self_checks",
    "large_programs",
    "device_memory",
    "device_registers",
    "kernel_lines",
];

/// How long endless programs are observed.
const WATCHED: Duration = Duration::from_millis(300);
/// How long the manifest's programs are observed; they take a while to start.
const WATCHED_BESIDE: Duration = Duration::from_millis(400);
/// Time limit of a program that ends.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> std::process::ExitCode {
    let failures = capos_rt::block_on(async {
        match std::env::args().nth(1).as_deref() {
            None => run().await,
            Some("beside") => Ok(beside().await),
            Some(name) => case::run(name).await.map(|()| 0),
        }
    });
    match failures {
        Ok(0) => std::process::ExitCode::SUCCESS,
        Ok(_) => std::process::ExitCode::FAILURE,
        Err(error) => {
            println!("gaps: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// Runs every case and returns how many failed.
async fn run() -> capnp::Result<usize> {
    let launcher = Launcher::new().await?;
    let (mut failures, mut longest) = (0, 0);
    launcher.longest_stretch().await?;
    let equals = EQUALS.map(|case| (case, OWN_PRIORITY, EQUAL_BOUND));
    let lowers = LOWERS.map(|case| (case, 1, LOWER_BOUND));
    for (case, priority, bound) in equals.into_iter().chain(lowers) {
        let (late, differences) = watch(&launcher, case, priority, bound).await?;
        let (stretch_ns, what) = launcher.longest_stretch().await?;
        launcher
            .note(&format!("{case}: late by {} ns, kernel busy for {stretch_ns} ns: {what}", late.as_nanos()))
            .await?;
        longest = longest.max(stretch_ns);
        failures += differences.len();
        for difference in &differences {
            println!("gaps: {case}: {difference}");
        }
        if stretch_ns > STRETCH_BOUND_NS {
            failures += 1;
            println!("gaps: {case}: the kernel was busy for {stretch_ns} ns: {what}");
        } else if differences.is_empty() {
            println!("gaps: {case}: ok");
        }
    }
    let problems = launcher.self_check().await?;
    for problem in &problems {
        println!("gaps: self-check: {problem}");
    }
    println!("longest_kernel_stretch {longest} instructions");
    Ok(failures + problems.len())
}

/// Wakes every millisecond beside equal-priority programs started by others. Returns the number of failures.
async fn beside() -> usize {
    let start = Instant::now();
    let mut worst = Duration::ZERO;
    while start.elapsed() < WATCHED_BESIDE {
        worst = worst.max(late_after_a_millisecond().await);
    }
    let is_late = worst > EQUAL_BOUND;
    if is_late {
        println!("gaps: beside: did not run for {} us", worst.as_micros());
    } else {
        println!("gaps: beside: ok");
    }
    usize::from(is_late)
}

/// Sleeps for a millisecond. Returns by how much it was late.
async fn late_after_a_millisecond() -> Duration {
    let wanted = Instant::now() + Duration::from_millis(1);
    capos_rt::sleep_until(wanted).await;
    wanted.elapsed()
}

/// Runs one program and wakes every millisecond meanwhile. Returns the maximum delay, and any failure.
/// should be.
async fn watch(
    launcher: &Launcher,
    case: &str,
    priority: u8,
    bound: Duration,
) -> capnp::Result<(Duration, Vec<String>)> {
    let process = launcher.start(case, priority).await?;
    let mut end = pin!(wait(&process));
    let is_endless = EQUALS.contains(&case);
    let start = Instant::now();
    let (mut worst, mut cause) = (Duration::ZERO, None);
    while cause.is_none() && start.elapsed() < if is_endless { WATCHED } else { PATIENCE } {
        worst = worst.max(late_after_a_millisecond().await);
        cause = poll_once(end.as_mut()).await;
    }
    let mut differences = Vec::new();
    if worst > bound {
        differences.push(format!("did not run for {} us", worst.as_micros()));
    }
    match cause {
        Some(cause) => match cause? {
            Some(0) if !is_endless => {}
            other => differences.push(format!("ended with {other:?}")),
        },
        None => {
            process.kill_request().send().promise.await?;
            end.await?;
            if !is_endless {
                differences.push("did not end".to_owned());
            }
        }
    }
    Ok((worst, differences))
}

/// The status with which a process exits, if it exits.
async fn wait(process: &process::Client) -> capnp::Result<Option<i32>> {
    let response = process.wait_request().send().promise.await?;
    Ok(match response.get()?.get_cause()?.which()? {
        exit_cause::Exited(status) => Some(status),
        _ => None,
    })
}

/// The output of a future, if it is ready.
async fn poll_once<F: Future>(mut future: core::pin::Pin<&mut F>) -> Option<F::Output> {
    core::future::poll_fn(|context| {
        Poll::Ready(match future.as_mut().poll(context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}
