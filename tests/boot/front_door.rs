//! The user's commands: exit status, input and output of the guest through `make`.

use std::time::Duration;

use anyhow::{Result, ensure};
use capos_tests::capos;
use capos_tests::command::{self, Input};
use capos_tests::expectation::Expectation;
use libtest_mimic::Trial;

use crate::trial;

/// Manifests that are also run through `make`: one with an exit status, one with piped input.
const THROUGH_MAKE: [&str; 2] = ["wasi-exit", "wasi-stdin"];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials: Vec<_> = THROUGH_MAKE
        .into_iter()
        .map(|name| {
            trial(format!("make-run-{name}"), move || {
                let mut expected = Expectation::read(name)?;
                // The log's path is unknown here, and make checks for changes first.
                expected.log.clear();
                expected.seconds += 60;
                capos::check_make(&[&format!("run-{name}")], &expected)
            })
        })
        .collect();
    trials.push(trial("make-run-of-nothing".to_owned(), unknown_program));
    trials.push(trial("make-run-timeout".to_owned(), hanging_guest));
    trials
}

/// An unknown manifest name is an error with a clear message.
fn unknown_program() -> Result<()> {
    let outcome =
        command::run(capos::make().arg("run-wasi-helo-rust"), Input::Bytes(b""), Duration::from_secs(600))?;
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    ensure!(outcome.status == Some(2), "status {:?}", outcome.status);
    let wanted =
        ["no manifest is called wasi-helo-rust; did you mean wasi-hello-rust?", "there are: ", " wasi-exit "];
    ensure!(wanted.iter().all(|wanted| stderr.contains(wanted)), "{stderr}");
    Ok(())
}

/// A guest that waits for ever, here for input that never comes or ends, is ended after TIMEOUT seconds.
fn hanging_guest() -> Result<()> {
    let mut make = capos::make();
    make.args(["run-wasi-stdin", "TIMEOUT=5"]);
    let outcome = command::run(&mut make, Input::Endless, Duration::from_secs(600))?;
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    ensure!(outcome.status == Some(124), "status {:?}\n{stderr}", outcome.status);
    ensure!(outcome.stdout.is_empty(), "output {:?}", String::from_utf8_lossy(&outcome.stdout));
    let wanted = ["ended after 5 seconds: raise --timeout", "not ended by then: "];
    ensure!(wanted.iter().all(|wanted| stderr.contains(wanted)), "{stderr}");
    Ok(())
}
