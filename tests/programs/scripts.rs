//! Interpreters, each running a script from a writable folder whose changes are brought back.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use capos_tests::capos::{LAST_RESORT, host_command};
use capos_tests::command::{self, Input, Outcome};
use capos_tests::tree;
use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::{COMPILED, INTERPRETED, long, module, trial};

/// Time limit of each of these. Starting Ruby executes several hundred million instructions, compiling it a hundred times as many.
const LIMIT: Duration = Duration::from_secs(3600);

const INPUT: &str = "the quick brown fox jumps over the lazy dog and the dog sleeps\n";
/// The output of both scripts.
const COUNTS: &str = r#"[["and",1],["brown",1],["dog",2],["fox",1],["jumps",1],["lazy",1],["over",1],["quick",1],["sleeps",1],["the",3]]"#;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        // Compiling its 30 MB executes some hundred thousand million instructions.
        long(trial("compiled-ruby-runs-a-script", "ruby", || ruby(COMPILED))),
        trial("micropython-runs-a-script", "micropython", || micropython(INTERPRETED)),
        trial("compiled-micropython-runs-a-script", "micropython", || micropython(COMPILED)),
        trial("micropython-without-a-folder-says-so", "micropython", micropython_without_a_folder),
        trial("ruby-runs-a-script", "ruby", || ruby(INTERPRETED)),
        trial("unknown-imports-are-refused-by-name", "ruby", unknown_imports),
    ]
}

fn micropython(engine: &str) -> Result<()> {
    let folder = folder("micropython.py")?;
    let mut command = run("micropython");
    command.arg(engine);
    command.arg("--dir").arg(given(&folder)).arg("--unknown-imports=trap");
    let outcome = finish(command.args(["--", "/work/micropython.py"]))?;
    let wanted = "\
Hello from micropython on capOS
2**200 = 1606938044258990275541962092341162602522202993782792835301376
longest: (181, 1161)
caught KeyError('missing',)
words: 13
files: ['input.txt', 'micropython.py', 'out']
elsewhere: OSError 44
";
    ended(&outcome, 0, wanted)?;
    brought_back(&folder)
}

/// If a program fails because of a missing grant, a line after its end names the grant.
fn micropython_without_a_folder() -> Result<()> {
    let mut command = run("micropython");
    command.args(["--clock", "--wall-clock", "--unknown-imports=trap"]);
    let outcome = finish(command.args(["--", "/work/micropython.py"]))?;
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    ensure!(outcome.status.is_some_and(|status| status != 0), "status {:?}\n{stderr}", outcome.status);
    ensure!(stderr.contains("needs a Namespace (preopened directory)"), "{stderr}");
    ensure!(stderr.contains("pass --dir"), "{stderr}");
    Ok(())
}

fn ruby(engine: &str) -> Result<()> {
    let folder = folder("program.rb")?;
    let mut command = run("ruby");
    command.arg(engine);
    command.args(["--env", "PROGRAM=/work/program.rb", "--unknown-imports=trap", "--memory", "256MiB"]);
    command.args(["--clock", "--wall-clock", "--entropy", "--dir"]).arg(given(&folder));
    let wanted = "\
Hello from ruby on capOS
2**200 = 1606938044258990275541962092341162602522202993782792835301376
primes: 46, the last 199
caught ArgumentError
[1, 2]
words: 13, different: 10
files: [\"input.txt\", \"out\", \"program.rb\"]
elsewhere: Errno::ENOENT
";
    ended(&finish(&mut command)?, 7, wanted)?;
    brought_back(&folder)
}

/// Without the option, an unknown import is an error that names it.
fn unknown_imports() -> Result<()> {
    let outcome = finish(run("ruby").args(["--memory", "256MiB"]))?;
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    ensure!(outcome.status == Some(1), "status {:?}\n{stderr}", outcome.status);
    ensure!(stderr.contains("rb-js-abi-host"), "{stderr}");
    Ok(())
}

/// A folder with the script of this name and its input.
fn folder(script: &str) -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("capos-test-").tempdir().context("a temporary folder")?;
    fs::copy(tree::root().join("tests/programs").join(script), folder.path().join(script))?;
    fs::write(folder.path().join("input.txt"), INPUT)?;
    Ok(folder)
}

fn given(folder: &TempDir) -> String {
    format!("{}::/work", folder.path().display())
}

fn run(program: &str) -> Command {
    let mut command = host_command();
    command.arg("run").arg(module(program)).args(["--timeout", LAST_RESORT]);
    command
}

fn finish(command: &mut Command) -> Result<Outcome> {
    command::run(command, Input::Bytes(b""), LIMIT)
}

fn ended(outcome: &Outcome, status: i32, stdout: &str) -> Result<()> {
    let (wrote, stderr) =
        (String::from_utf8_lossy(&outcome.stdout), String::from_utf8_lossy(&outcome.stderr));
    ensure!(
        outcome.status == Some(status) && wrote == stdout,
        "status {:?}, where {status} was wanted\n--- output\n{wrote}--- wanted\n{stdout}--- errors\n{stderr}",
        outcome.status
    );
    Ok(())
}

/// Checks that the file written by the script is in the host's folder.
fn brought_back(folder: &TempDir) -> Result<()> {
    let text = fs::read_to_string(folder.path().join("out/result.json")).context("out/result.json")?;
    // The two write JSON with and without spaces, and pairs as lists.
    let plain = text.replace(' ', "");
    ensure!(plain == COUNTS, "{text}");
    ensure!(fs::read_to_string(folder.path().join("input.txt"))? == INPUT, "input.txt was changed");
    ensure!(!folder.path().join("out/counts.json").exists(), "out/counts.json is still there");
    Ok(())
}
