//! Killed runs, and runs that cannot write to the usual places: what they leave behind, and their messages.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use capos_tests::capos::{LAST_RESORT, host_command};
use capos_tests::command::{self, Input};
use capos_tests::tree;
use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::trial;

const LIMIT: Duration = Duration::from_secs(300);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("killed-run-takes-its-machine-along".to_owned(), || killed(false)),
        trial("killed-run-leaves-what-was-written-and-nothing-else".to_owned(), || killed(true)),
        trial("killed-run-before-its-machine-leaves-nothing".to_owned(), interrupted_early),
        trial("killed-errors-that-cannot-be-written-lose-nothing".to_owned(), errors_nowhere),
        trial("killed-log-goes-where-it-can-be-written".to_owned(), log_elsewhere),
    ]
}

fn temporary() -> Result<TempDir> {
    tempfile::Builder::new().prefix("capos-test-").tempdir().context("a temporary folder")
}

fn run(place: &Path, options: &[&str], program: &str, arguments: &[&str]) -> Command {
    let mut command = host_command();
    command.env("TMPDIR", place).args(["run", "--timeout", LAST_RESORT]).args(options);
    command.arg(tree::root().join(format!("build/wasm/{program}.wasm"))).args(arguments);
    command
}

/// Polls until there is an answer.
fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> Result<T> {
    let begun = Instant::now();
    loop {
        match ask() {
            Some(answer) => return Ok(answer),
            None if begun.elapsed() > LIMIT => bail!("{what}: waited for too long"),
            None => thread::yield_now(),
        }
    }
}

/// Whether a process runs. A process that has ended may still be listed until its parent has waited for it.
fn runs(process: Pid) -> bool {
    let state = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = state.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

fn child_of(parent: &Child) -> Option<Pid> {
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", parent.id())).ok()?;
    children.split_whitespace().find_map(|pid| pid.parse().ok()).and_then(Pid::from_raw)
}

/// The command is killed in the middle of a run; then another run follows.
fn killed(with_folder: bool) -> Result<()> {
    let (place, folder) = (temporary()?, temporary()?);
    let dir = format!("--dir={}::/x", folder.path().display());
    let options = if with_folder { vec![dir.as_str()] } else { Vec::new() };
    let mut command = run(place.path(), &options, "wasi-streams", &["on"]);
    let mut capos = command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut line = [0; 2];
    capos.stdout.take().context("its output")?.read_exact(&mut line)?;
    let machine = child_of(&capos).context("the machine's process")?;
    ensure!(runs(machine), "the machine does not run");
    kill_process(Pid::from_child(&capos), Signal::KILL)?;
    capos.wait()?;
    wait_for("the end of the machine", || (!runs(machine)).then_some(()))?;
    ensure!(fs::read_dir(place.path())?.count() == 1, "a killed run removed its folder");
    for is_first in [true, false] {
        let outcome =
            command::run(&mut run(place.path(), &[], "wasi-hello-rust", &[]), Input::Bytes(b""), LIMIT)?;
        let stderr = String::from_utf8_lossy(&outcome.stderr);
        ensure!(outcome.status == Some(0), "{stderr}");
        ensure!(stderr.contains("an earlier run was killed") == (with_folder && is_first), "{stderr}");
    }
    let left: Vec<_> = fs::read_dir(place.path())?.collect::<Result<_, _>>()?;
    if !with_folder {
        ensure!(left.is_empty(), "{left:?}");
        return Ok(());
    }
    let [left] = &left[..] else { bail!("{left:?}") };
    let names: Vec<_> = fs::read_dir(left.path())?.collect::<Result<_, _>>()?;
    ensure!(names.len() == 1, "{names:?}");
    let mut export = host_command();
    export.args(["volume", "ls"]).arg(left.path().join("images/dir0.img"));
    ensure!(export.status()?.success(), "the image is no volume");
    Ok(())
}

/// The command waits for a program on its standard input when Ctrl-C comes.
fn interrupted_early() -> Result<()> {
    let place = temporary()?;
    let mut command = host_command();
    command.env("TMPDIR", place.path()).args(["run", "-"]);
    let mut capos = command.process_group(0).stdin(Stdio::piped()).spawn()?;
    // Waiting for the process would close its input, whose end would race with the signal.
    let input = capos.stdin.take();
    wait_for("its temporary folder", || {
        let mut entries = fs::read_dir(place.path()).ok()?.flatten();
        entries.find(|entry| entry.path().join("stdin.wasm").exists())
    })?;
    kill_process(Pid::from_child(&capos), Signal::INT)?;
    let status = capos.wait()?;
    drop(input);
    ensure!(status.signal() == Some(Signal::INT.as_raw()), "{status}");
    ensure!(fs::read_dir(place.path())?.next().is_none(), "something is left");
    Ok(())
}

/// The program fails with many messages; its changes are in the folder nevertheless.
fn errors_nowhere() -> Result<()> {
    let (place, folder) = (temporary()?, temporary()?);
    let dir = format!("--dir={}::/data", folder.path().display());
    let full = fs::File::options().write(true).open("/dev/full")?;
    let mut command = run(place.path(), &[&dir, "-v"], "wasi-fs", &[]);
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(full).status()?;
    ensure!(status.code() == Some(1), "{status}");
    ensure!(fs::read_to_string(folder.path().join("visits"))? == "1\n");
    ensure!(fs::read_dir(place.path())?.next().is_none(), "something is left");
    Ok(())
}

/// A tree whose log folder cannot be created.
fn log_elsewhere() -> Result<()> {
    let (place, root) = (temporary()?, temporary()?);
    fs::create_dir(root.path().join("build"))?;
    for part in ["manifests", "tests", "target", "build/tools", "build/wasm"] {
        symlink(tree::root().join(part), root.path().join(part))?;
    }
    fs::write(root.path().join("build/log"), "not a folder")?;
    let root = root.path().to_str().context("UTF-8")?;
    for (program, status) in [("wasi-hello-rust", 0), ("wasi-exit", 42)] {
        let mut command = run(place.path(), &["--root", root], program, &[]);
        let outcome = command::run(&mut command, Input::Bytes(b""), LIMIT)?;
        let stderr = String::from_utf8_lossy(&outcome.stderr);
        ensure!(outcome.status == Some(status), "{:?}: {stderr}", outcome.status);
        let left: Vec<_> = fs::read_dir(place.path())?.flatten().map(|entry| entry.path()).collect();
        if status == 0 {
            ensure!(left.is_empty() && stderr.is_empty(), "{left:?}: {stderr}");
            continue;
        }
        let [log] = &left[..] else { bail!("{left:?}: {stderr}") };
        ensure!(stderr.contains(&*log.to_string_lossy()) && stderr.contains("--log"), "{stderr}");
        ensure!(fs::read_to_string(log)?.contains("] capOS "), "{} is not a log", log.display());
    }
    Ok(())
}
