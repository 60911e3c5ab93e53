//! Starts one hostile process after another, checks that each gets the documented error or ends alone, then lets
//! fuzzers make a million random calls, and finally asks the kernel to check itself.

mod cases;
mod fuzzing;
mod images;
mod long;
mod shortage;
mod start;
mod vectors;

use capos_schema::process_capnp::{UsedUp, exit_cause, process};
use cases::{CASES, CODE_CASES, COMPILER_CASES, Expected, PAIRS};
use start::{Code, Launcher};

fn main() -> std::process::ExitCode {
    let result = match std::env::args().nth(1).as_deref() {
        None => capos_rt::block_on(run()),
        Some("vectors") => capos_rt::block_on(vectors::run()),
        Some("long-work") => capos_rt::block_on(long::run()),
        Some(_) => capos_rt::block_on(shortage::run()),
    };
    match result {
        Ok(0) => std::process::ExitCode::SUCCESS,
        Ok(_) => std::process::ExitCode::FAILURE,
        Err(error) => {
            println!("faults: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// Returns the number of failed checks.
async fn run() -> Result<usize, capnp::Error> {
    let launcher = Launcher::new().await?;
    let mut failures = 0;
    for (name, expected) in CASES {
        let process = launcher.start(&[name], start::small_limits()).await?;
        failures += judge(name, &process, expected).await?;
    }
    failures += judge_pairs(&launcher, PAIRS).await?;
    failures += vectors::check(&launcher).await?;
    let (object, _mapped) = launcher.shared_counter().await?;
    for (cases, code) in [(COMPILER_CASES, Code::Given), (CODE_CASES, Code::OfItsOwn)] {
        for (name, expected) in cases {
            let process = launcher.start_compiler(name, &object, code).await?;
            failures += judge(name, &process, expected).await?;
        }
    }
    failures += images::run(&launcher).await?;
    failures += fuzzing::run(&launcher).await?;
    match launcher.start(&["two\nlines"], start::small_limits()).await {
        Err(_) => println!("faults: a name of two lines is refused"),
        Ok(_) => {
            failures += 1;
            println!("faults: a name of two lines is taken");
        }
    }
    let problems = launcher.self_check().await?;
    for problem in &problems {
        println!("faults: self-check: {problem}");
    }
    failures += problems.len();
    if failures == 0 {
        println!(
            "faults: {} cases as documented, kernel consistent",
            CASES.len() + PAIRS.len() + vectors::CASE_COUNT + COMPILER_CASES.len() + CODE_CASES.len()
        );
    } else {
        println!("faults: {failures} failed");
    }
    Ok(failures)
}

/// Runs pairs of cases, of which the second must succeed. Returns the number of failed checks.
async fn judge_pairs(launcher: &Launcher, pairs: &[(&str, &str)]) -> Result<usize, capnp::Error> {
    let mut failures = 0;
    for (leaves, finds) in pairs {
        let first = launcher.start(&[leaves], start::small_limits()).await?;
        let second = launcher.start(&[finds], start::small_limits()).await?;
        failures += judge(finds, &second, &Expected::Success).await?;
        first.kill_request().send().promise.await?;
    }
    Ok(failures)
}

/// Waits for a case's end. Returns the number of failed checks.
async fn judge(name: &str, process: &process::Client, expected: &Expected) -> Result<usize, capnp::Error> {
    let response = process.wait_request().send().promise.await?;
    let difference = check(response.get()?.get_cause()?, expected)?;
    println!("faults: {name}: {}", difference.as_deref().unwrap_or("ok"));
    Ok(usize::from(difference.is_some()))
}

/// Compares an end with the expected one, and describes the difference.
fn check(cause: exit_cause::Reader<'_>, expected: &Expected) -> Result<Option<String>, capnp::Error> {
    let matches = match (cause.which()?, expected) {
        (exit_cause::Exited(0), Expected::Success) => true,
        (exit_cause::Exited(status), Expected::Error(codes)) => {
            codes.iter().any(|code| *code as i32 == status)
        }
        (exit_cause::Fault(fault), Expected::Fault(vector, address)) => {
            let fault = fault?;
            fault.get_vector() == *vector && address.is_none_or(|address| fault.get_address() == address)
        }
        (exit_cause::Fault(fault), Expected::FaultOneOf(vectors)) => vectors.contains(&fault?.get_vector()),
        (exit_cause::OutOfMemory(_), Expected::OutOfMemory) => cause.get_used_up()? == UsedUp::Budget,
        _ => false,
    };
    if matches {
        return Ok(None);
    }
    let wanted = match expected {
        Expected::Success => "exit status 0".to_owned(),
        Expected::Error(codes) => format!("one of {codes:?}"),
        Expected::Fault(vector, Some(address)) => format!("exception {vector} at {address:#x}"),
        Expected::Fault(vector, None) => format!("exception {vector}"),
        Expected::FaultOneOf(vectors) => format!("an exception of {vectors:?}"),
        Expected::OutOfMemory => "out of memory".to_owned(),
    };
    Ok(Some(format!("expected {wanted}, got {}", start::describe(cause)?)))
}
