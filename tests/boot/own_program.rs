//! `capos run PROGRAM.wasm`: grants from the command line, and the fate of a folder.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use capos_tests::capos::{LAST_RESORT, host_command};
use capos_tests::command::{self, Input, Outcome};
use capos_tests::tree;
use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::trial;

const LIMIT: Duration = Duration::from_secs(600);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("run-program-arguments-and-environment".to_owned(), arguments),
        trial("run-program-takes-a-megabyte-of-arguments".to_owned(), many_arguments),
        trial("run-program-brings-a-folder-back-after-a-failure".to_owned(), folder_after_failure),
        trial("run-program-says-what-would-grant-what-is-missing".to_owned(), missing),
        trial("run-program-printed-manifest-runs".to_owned(), printed_manifest),
        trial("run-program-says-what-is-wrong-with-an-option".to_owned(), wrong_options),
        trial("run-program-takes-all-its-memory-and-no-more".to_owned(), all_memory),
        trial("run-program-of-older-and-newer-webassembly".to_owned(), rewritten),
        trial("run-program-with-a-larger-stack".to_owned(), larger_stack),
        trial("run-program-calls-one-function".to_owned(), invoked),
        trial("run-program-traps-for-an-uncaught-exception".to_owned(), uncaught),
        trial("run-program-calls-no-function-that-is-not-there".to_owned(), not_invoked),
        trial("run-program-comes-from-standard-input".to_owned(), from_standard_input),
        trial("run-program-is-compiled".to_owned(), compiled),
    ]
}

/// `capos run` of a program of this tree, by its full path.
fn run(program: &str) -> Command {
    let mut command = host_command();
    command.arg("run").arg(tree::root().join("build/wasm").join(format!("{program}.wasm")));
    command.args(["--timeout", LAST_RESORT]);
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
        "status {:?}, where {status} was wanted\n--- output\n{wrote}--- errors\n{stderr}",
        outcome.status
    );
    Ok(())
}

fn temporary() -> Result<TempDir> {
    tempfile::Builder::new().prefix("capos-test-").tempdir().context("a temporary folder")
}

fn arguments() -> Result<()> {
    let mut command = run("wasi-cli-args");
    command.env("CAPOS_TEST_PASSED", "on").env_remove("CAPOS_TEST_ABSENT");
    command.args(["--env", "B=2", "--env", "A=1", "--env", "A=x=y"]);
    command.args(["--env", "CAPOS_TEST_PASSED", "--env", "CAPOS_TEST_ABSENT", "one two", "", "--dir"]);
    let wanted = "argument 0: wasi-cli-args.wasm\nargument 1: one two\nargument 2: \nargument 3: --dir\n\
                  environment A=x=y\nenvironment B=2\nenvironment CAPOS_TEST_PASSED=on\n";
    ended(&finish(&mut command)?, 0, wanted)?;
    // For a multi-call program, this name selects the function.
    let mut command = run("wasi-cli-args");
    command.args(["--argv0", "bin/tool name", "x"]);
    ended(&finish(&mut command)?, 0, "argument 0: bin/tool name\nargument 1: x\n")
}

/// Machine code of an earlier run does the same.
fn compiled() -> Result<()> {
    for engine in ["compiler", "compiler", "auto"] {
        let mut command = run("wasi-cli-args");
        command.args(["--engine", engine, "one", "two"]);
        let wanted = "argument 0: wasi-cli-args.wasm\nargument 1: one\nargument 2: two\n";
        ended(&finish(&mut command)?, 0, wanted)?;
    }
    Ok(())
}

/// As expanded by a shell from `*`. WebAssembly text is run unchanged.
fn many_arguments() -> Result<()> {
    const COUNT: usize = 60_000;
    let place = temporary()?;
    let file = place.path().join("count.wat");
    fs::write(
        &file,
        r#"(module
            (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "args_get" (func $get (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 32)
            (func (export "_start")
                (if (call $sizes (i32.const 0) (i32.const 4)) (then (call $exit (i32.const 101))))
                (if (call $get (i32.const 16) (i32.const 500000)) (then (call $exit (i32.const 102))))
                ;; The last one ends where all of them end: "file-59999.txt" and a NUL.
                (if (i32.ne (i32.load (i32.add (i32.const 12) (i32.shl (i32.load (i32.const 0)) (i32.const 2))))
                        (i32.sub (i32.add (i32.const 500000) (i32.load (i32.const 4))) (i32.const 15)))
                    (then (call $exit (i32.const 103))))
                (if (i32.ne (i32.load (i32.const 0)) (i32.const 60001)) (then (call $exit (i32.const 104))))
                (call $exit (i32.const 7))))"#,
    )?;
    let mut command = host_command();
    command.args(["run", "--timeout", LAST_RESORT]).arg(&file);
    command.args((0..COUNT).map(|number| format!("file-{number:05}.txt")));
    ended(&finish(&mut command)?, 7, "")
}

/// This program lacks some grants and fails midway; its changes up to then are in the folder, and the next run finds
/// them.
fn folder_after_failure() -> Result<()> {
    let folder = temporary()?;
    fs::write(folder.path().join("mine"), "left alone")?;
    for visit in 1..=2 {
        let mut command = run("wasi-fs");
        command.arg("--dir").arg(format!("{}::/data", folder.path().display()));
        let outcome = finish(&mut command)?;
        let wrote = String::from_utf8_lossy(&outcome.stdout);
        ensure!(outcome.status == Some(1) && wrote.starts_with(&format!("visits: {visit}\n")), "{wrote}");
        ensure!(fs::read_to_string(folder.path().join("visits"))? == format!("{visit}\n"));
        ensure!(fs::read_to_string(folder.path().join("letters/third"))? == "abCDe!");
    }
    ensure!(fs::read_to_string(folder.path().join("mine"))? == "left alone");
    let names = fs::read_dir(folder.path())?.count();
    ensure!(names == 3, "{names} entries, where visits, letters and mine were wanted");
    Ok(())
}

/// For too deep a recursion, the message names only the option that allows more; with it the program
/// succeeds.
fn larger_stack() -> Result<()> {
    let outcome = finish(run("wasi-recursion").arg("60000"))?;
    ended(&outcome, 134, "")?;
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    let hints: Vec<_> = stderr.lines().filter(|line| line.contains(" needs ")).collect();
    let [hint] = hints[..] else { anyhow::bail!("one hint was wanted:\n{stderr}") };
    ensure!(hint.ends_with(": raise --stack"), "{hint}");
    let outcome = finish(run("wasi-recursion").args(["--stack", "4MiB", "60000"]))?;
    ended(&outcome, 0, "60000 calls: 3063840929\n")
}

fn missing() -> Result<()> {
    let outcome = finish(&mut run("wasi-random"))?;
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    ensure!(outcome.status.is_some_and(|status| status != 0), "status {:?}\n{stderr}", outcome.status);
    ensure!(stderr.contains("wasi-random: random_get needs EntropySource"), "{stderr}");
    ensure!(stderr.contains("--entropy"), "{stderr}");
    Ok(())
}

/// All of these are refused before boot.
fn wrong_options() -> Result<()> {
    let folder = temporary()?;
    fs::write(folder.path().join("text"), "text")?;
    fs::write(folder.path().join("main.c"), "int main(void) { return 0; }")?;
    fs::create_dir(folder.path().join("inner"))?;
    let folder = folder.path().display();
    let cases = [
        (["--dir", &format!("{folder}/none::/d")], "--dir: there is no folder"),
        (
            ["--dir", &format!("{folder}/main.c::/d")],
            "is not a folder; give the program the one that it lies in",
        ),
        (["--volume", &format!("{folder}/none::/d:ro")], "--volume: there is no"),
        (["--volume", &format!("{folder}/none/new.img::/d")], "in which the image"),
        (["--log", &format!("{folder}/main.c")], "already exists and is not a kernel log"),
        (["--volume", &format!("{folder}::/d")], "is a folder; --dir gives a program one"),
        (["--volume", &format!("{folder}/text::/d")], "/text is not a capOS volume; `capos volume create`"),
        (["--memory", "64KiB"], "wasi-fs.wasm: it needs "),
        (["--table-elements", "1"], " table elements and its limit is 1; --table-elements "),
        (["--invoke", "strat"], "the program exports no function of that name; did you mean \"_start\"?"),
        (["--disk", "a=b"], "--disk: only for a manifest"),
        (["--memory", "64MB"], "--memory: \"64MB\" has no known unit"),
        (["--dir-size", "much"], "'--dir-size <SIZE>': \"much\" does not begin with a number"),
        (["--dir-size", "1MiB"], "'--dir-size <SIZE>': \"1MiB\" is too small; allowed: 4MiB to 12TiB"),
        (["--dir-size", "100TiB"], "'--dir-size <SIZE>': \"100TiB\" is too large; allowed: 4MiB to 12TiB"),
        (["--stack", "-1"], "'--stack <SIZE>': \"-1\" does not begin"),
        (["--mem", "2MiB"], "--mem 2MiB is too small for this run: the kernel and the images alone take "),
        (["--firmware", "uefi"], "--firmware: only for a disc image"),
        (["--smp", "0"], "'--smp <COUNT>': \"0\" is not a whole number from 1 to 255"),
        (["--mem", "2TiB"], "'--mem <SIZE>': \"2TiB\" is too large; allowed: 1MiB to 1TiB"),
    ];
    for (options, wanted) in cases {
        let outcome = finish(run("wasi-fs").args(options))?;
        let stderr = String::from_utf8_lossy(&outcome.stderr);
        ensure!(
            outcome.status.is_some_and(|status| status != 0) && stderr.contains(wanted),
            "{options:?}: {stderr}"
        );
    }
    let whole = format!("{folder}::/a");
    for (second, wanted) in [
        (format!("--dir={folder}/inner/..::/b"), "are the same folder"),
        (format!("--dir={folder}/inner::/b"), "the second is in the first"),
        (format!("--volume={folder}/new.img::/a"), "are at the same path"),
    ] {
        let outcome = finish(run("wasi-fs").args(["--dir", &whole, &second]))?;
        let stderr = String::from_utf8_lossy(&outcome.stderr);
        let names = stderr.contains(&whole) && stderr.contains(&second.replacen('=', " ", 1));
        ensure!(outcome.status == Some(1) && names && stderr.contains(wanted), "{second}: {stderr}");
    }
    ensure!(
        !Path::new(&format!("{folder}/none")).exists() && !Path::new(&format!("{folder}/new.img")).exists()
    );
    ensure!(fs::read_to_string(format!("{folder}/main.c"))?.starts_with("int main"));
    Ok(())
}

/// The program comes from standard input; a copy of it would be in the temporary folder.
fn from_standard_input() -> Result<()> {
    let place = temporary()?;
    let program = fs::read(tree::root().join("build/wasm/wasi-cli-args.wasm"))?;
    let mut command = host_command();
    command.env("TMPDIR", place.path()).args([
        "run",
        "--timeout",
        LAST_RESORT,
        "--argv0",
        "name",
        "-",
        "one",
    ]);
    let outcome = command::run(&mut command, Input::Bytes(&program), LIMIT)?;
    ended(&outcome, 0, "argument 0: name\nargument 1: one\n")?;
    ensure!(fs::read_dir(place.path())?.next().is_none(), "something is left in TMPDIR");
    let mut command = host_command();
    command.args(["run", "-"]);
    let outcome = command::run(&mut command, Input::Bytes(b""), LIMIT)?;
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    ensure!(outcome.status == Some(1) && stderr.contains("standard input is empty"), "{stderr}");
    let text = fs::read(tree::root().join("demos/wat/hello.wat"))?;
    let mut command = host_command();
    command.args(["run", "--timeout", LAST_RESORT, "-"]);
    ended(&command::run(&mut command, Input::Bytes(&text), LIMIT)?, 0, "Hello from WASI on capOS\n")?;
    let mut command = host_command();
    command.args(["run", "-"]);
    let outcome = command::run(&mut command, Input::Bytes(b"(module (func"), LIMIT)?;
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    ensure!(outcome.status == Some(1) && stderr.contains("standard input:1:14: expected `)`"), "{stderr}");
    Ok(())
}

/// A large memory that grows step by step is not moved, which would need twice as much of the host's memory.
fn all_memory() -> Result<()> {
    let mut command = run("wasi-hog");
    command.args(["--memory", "320MiB"]);
    let outcome = finish(&mut command)?;
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    ensure!(outcome.status == Some(137), "status {:?}\n{stderr}", outcome.status);
    ensure!(stderr.contains("wasi-hog: out of memory"), "{stderr}");
    Ok(())
}

/// The printed manifest behaves like the run, including the folder.
fn printed_manifest() -> Result<()> {
    let (folder, place) = (temporary()?, temporary()?);
    fs::write(folder.path().join("visits"), "41\n")?;
    let given = |guest: &str| format!("{}::{guest}", folder.path().display());
    let mut command = run("wasi-fs");
    let printed = finish(command.arg("--dir").arg(given("/data")).arg("--print-manifest"))?;
    let file = place.path().join("kept.cue");
    fs::write(&file, &printed.stdout)?;
    for visit in 42..=43 {
        let outcome = finish(&mut boot(&file))?;
        let wrote = String::from_utf8_lossy(&outcome.stdout);
        ensure!(
            wrote.starts_with(&format!("visits: {visit}\n")),
            "{wrote}{}",
            String::from_utf8_lossy(&outcome.stderr)
        );
    }
    ensure!(fs::read_to_string(folder.path().join("visits"))? == "41\n", "the folder was changed");
    Ok(())
}

fn boot(manifest: &Path) -> Command {
    let mut command = host_command();
    command.args(["run", "--timeout", LAST_RESORT]).arg(manifest);
    command
}

/// Proposals that the engine lacks, and WASI under its older name: exceptions in both encodings with several values,
/// atomic instructions, `wasi_unstable`.
const REWRITTEN: &str = r#"(module
    (import "wasi_unstable" "proc_exit" (func $exit (param i32)))
    (import "wasi_unstable" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 64) "caught\n")
    (tag $pair (param i32 i64))
    (func $throw (param i32) (throw $pair (local.get 0) (i64.const 3)))
    (func $older (param i32) (result i32)
        try (result i32)
            local.get 0
            call $throw
            i32.const 0
        catch $pair
            i32.wrap_i64
            i32.add
        end)
    (func $newer (param i32) (result i32)
        (block $caught (result i32 i64)
            (try_table (catch $pair $caught) (call $throw (local.get 0)))
            (unreachable))
        (i32.wrap_i64)
        (i32.add))
    (func (export "_start")
        (i32.atomic.store (i32.const 0) (i32.const 64))
        (drop (i32.atomic.rmw.add (i32.const 4) (i32.const 7)))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (call $exit (i32.add (call $older (i32.const 1)) (call $newer (i32.const 6)))))
    (func $fib (export "fib") (param i32) (result i64)
        (if (result i64) (i32.lt_u (local.get 0) (i32.const 2))
            (then (i64.extend_i32_u (local.get 0)))
            (else (i64.add
                (call $fib (i32.sub (local.get 0) (i32.const 1)))
                (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
    (func (export "pair") (param i32 f64) (result i32 f64) (local.get 0) (local.get 1))
    (func (export "uncaught") (param i32) (call $throw (local.get 0))))"#;

/// `capos run` of that module, with options before it and arguments after it.
fn run_rewritten(before: &[&str], after: &[&str]) -> Result<Outcome> {
    let folder = temporary()?;
    let file = folder.path().join("module.wasm");
    fs::write(&file, wat::parse_str(REWRITTEN).context("the module")?)?;
    let mut command = host_command();
    command.args(["run", "--timeout", LAST_RESORT]).args(before).arg(&file).args(after);
    finish(&mut command)
}

fn rewritten() -> Result<()> {
    ended(&run_rewritten(&[], &[])?, 13, "caught\n")
}

fn invoked() -> Result<()> {
    ended(&run_rewritten(&["--invoke", "fib"], &["10"])?, 0, "55\n")?;
    ended(&run_rewritten(&["--invoke", "pair"], &["--", "-1", "1e-10"])?, 0, "-1\n0.0000000001\n")
}

fn uncaught() -> Result<()> {
    let outcome = run_rewritten(&["--invoke", "uncaught"], &["5"])?;
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    ensure!(outcome.status == Some(134), "status {:?}\n{stderr}", outcome.status);
    // Of the added functions only the reason is shown, and the function that the exception left.
    let told = stderr.contains("trap: uncaught exception") && stderr.contains("  in function ");
    ensure!(told && !stderr.contains("rewriting"), "{stderr}");
    Ok(())
}

/// All of these are refused before boot.
fn not_invoked() -> Result<()> {
    for (function, arguments, wanted) in [
        ("fob", &["1"][..], "did you mean \"fib\"?"),
        ("fib", &[], "it takes 1 argument (i32) -> (i64), and 0 were given"),
        ("fib", &["ten"], "argument 1: \"ten\" is no i32"),
        ("pair", &["0x100000000", "1"], "it does not fit in 32 bits"),
        ("pair", &["1", "1,5"], "argument 2: \"1,5\" is no f64"),
    ] {
        let outcome = run_rewritten(&["--invoke", function], arguments)?;
        let stderr = String::from_utf8_lossy(&outcome.stderr);
        ensure!(outcome.status == Some(1) && stderr.contains(wanted), "{function}: {stderr}");
    }
    Ok(())
}
