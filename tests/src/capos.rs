//! The host command and `make`, called as by a user.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::command::{self, Input, Kill, Outcome};
use crate::disks::Disks;
use crate::expectation::Expectation;
use crate::tree;

/// Time for packing and QEMU's start, in addition to the expectation's limit.
const GRACE: Duration = Duration::from_secs(120);

/// The host command's own limit, in seconds of the wall clock. A hanging test is ended by the test's own limit, which a
/// busy host does not shorten; this one is for a command whose test no longer exists.
pub const LAST_RESORT: &str = "7200";

/// The built host command.
pub fn host_command() -> Command {
    let mut command = Command::new(tree::root().join("build/tools/bin/capos"));
    command.current_dir(tree::root());
    command
}

/// `make` without the settings of the make and cargo that run the tests.
pub fn make() -> Command {
    let mut command = Command::new("make");
    command.current_dir(tree::root());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_")
            || ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"].contains(&&*text)
        {
            command.env_remove(&name);
        }
    }
    command
}

/// Boots `what` (a manifest, or `--iso` and a file), as many times as `expected` says, and compares the
/// output.
pub fn check(test: &str, what: &[&str], expected: &Expectation) -> Result<()> {
    let disks = Disks::new(&expected.disks)?;
    for (number, expected) in std::iter::once(expected).chain(&expected.again).enumerate() {
        check_boot(test, what, expected, &disks).with_context(|| format!("boot {}", number + 1))?;
    }
    Ok(())
}

/// Boots `what` once with these disks and compares the output with `expected`.
pub fn check_boot(test: &str, what: &[&str], expected: &Expectation, disks: &Disks) -> Result<()> {
    let log = log_file(test)?;
    let mut command = run_command(&log, disks);
    command.args(&expected.options).args(what);
    let outcome = run(&mut command, expected)?;
    judge(expected, &outcome, &log)
}

/// Boots `what` with these disks and kills the machine without warning, as `kill` says; `timed_out` tells whether it was
/// still running.
pub fn boot_and_kill(
    test: &str,
    what: &[&str],
    disks: &Disks,
    input: Input<'_>,
    kill: Kill<'_>,
) -> Result<Outcome> {
    let log = log_file(test)?;
    let mut command = run_command(&log, disks);
    command.args(what);
    command::run_and_kill(&mut command, input, kill)
}

fn run_command(log: &Path, disks: &Disks) -> Command {
    let mut command = host_command();
    command.arg("run").args(["--timeout", LAST_RESORT]).arg("--log").arg(log);
    command.args(disks.arguments());
    // A killed command leaves its temporary folder; here it is removed with the test's own.
    command.env("TMPDIR", disks.folder());
    command
}

/// Runs `make` with `arguments` and compares the output with `expected`.
pub fn check_make(arguments: &[&str], expected: &Expectation) -> Result<()> {
    let mut command = make();
    command.args(arguments);
    let outcome = run(&mut command, expected)?;
    judge(expected, &outcome, Path::new(""))
}

fn run(command: &mut Command, expected: &Expectation) -> Result<Outcome> {
    let limit = Duration::from_secs(expected.seconds) + GRACE;
    command::run(command, Input::Bytes(expected.stdin.as_bytes()), limit)
}

fn judge(expected: &Expectation, outcome: &Outcome, log_file: &Path) -> Result<()> {
    let log = fs::read_to_string(log_file).unwrap_or_default();
    let differences = expected.differences(outcome, &log)?;
    if differences.is_empty() {
        return Ok(());
    }
    let limit = if outcome.timed_out { "\n(killed: it took too long)" } else { "" };
    bail!(
        "{}{limit}\n--- standard error\n{}--- kernel log\n{log}---",
        differences.join("\n"),
        String::from_utf8_lossy(&outcome.stderr),
    )
}

/// A log file for this test, so that tests can run concurrently.
fn log_file(test: &str) -> Result<PathBuf> {
    let folder = tree::root().join("build/log/tests");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let file = folder.join(format!("{test}.log"));
    if file.exists() {
        fs::remove_file(&file).with_context(|| file.display().to_string())?;
    }
    Ok(file)
}
