//! A program's standard streams: separate, complete, and of the same kind as on the host.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use capos_tests::capos::{LAST_RESORT, host_command};
use capos_tests::command::{self, Input, Outcome};
use capos_tests::tree;
use libtest_mimic::Trial;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

use crate::trial;

const LIMIT: Duration = Duration::from_secs(240);
/// Length of data over a serial port, which is slow.
const SHORT_BYTES: usize = 20_000;
/// Length of data over a virtio console: many times the buffers on the way.
const LONG_BYTES: usize = 4 << 20;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        trial("streams-both-outputs-are-whole-and-apart".to_owned(), || outputs("virtio")),
        trial("streams-both-outputs-over-a-serial-line".to_owned(), || outputs("framed-serial")),
        trial("streams-one-output-over-a-plain-serial-line".to_owned(), plain_serial),
        trial("streams-input-is-copied-whole".to_owned(), || copy("virtio", LONG_BYTES)),
        trial("streams-input-over-a-serial-line".to_owned(), || copy("framed-serial", SHORT_BYTES)),
        trial("streams-an-output-that-nobody-reads".to_owned(), nobody_reads),
        trial("streams-an-output-that-cannot-be-written".to_owned(), lost_output),
        trial("streams-an-input-that-cannot-be-read".to_owned(), unreadable_input),
        trial("streams-input-that-nobody-reads-stays".to_owned(), unread_input),
        trial("streams-keep-their-order-on-one-file".to_owned(), one_file),
        trial("streams-tty-says-what-is-a-terminal".to_owned(), tty_option),
    ];
    trials.extend(
        [0, 1, 2]
            .map(|stream| trial(format!("streams-terminal-as-stream-{stream}"), move || terminal(stream))),
    );
    trials
}

/// `capos run` of a program of this tree.
fn run(program: &str, options: &[&str], arguments: &[&str]) -> Command {
    let mut command = host_command();
    command.args(["run", "--timeout", LAST_RESORT]).args(options);
    command.arg(tree::root().join("build/wasm").join(format!("{program}.wasm")));
    command.arg("--").args(arguments);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn expect(outcome: &Outcome, status: i32, stdout: &[u8], stderr: &str) -> Result<()> {
    ensure!(outcome.status == Some(status), "status {:?}\n{}", outcome.status, text(&outcome.stderr));
    let different = outcome.stdout.iter().zip(stdout).position(|(found, wanted)| found != wanted);
    ensure!(
        outcome.stdout == stdout,
        "{} bytes of output, where {} were wanted; the first that is different: {different:?}",
        outcome.stdout.len(),
        stdout.len()
    );
    ensure!(text(&outcome.stderr) == stderr, "standard error: {:?}", text(&outcome.stderr));
    Ok(())
}

/// All byte values, this many times.
fn values(count: usize) -> Vec<u8> {
    (0..=u8::MAX).collect::<Vec<_>>().repeat(count)
}

/// Bytes without a period of any buffer's size; with all values, and every pair of them.
fn mixed(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn outputs(line: &str) -> Result<()> {
    let mut command = run("wasi-streams", &["--console", line], &["bytes", "4"]);
    let outcome = command::run(&mut command, Input::Bytes(b""), LIMIT)?;
    expect(&outcome, 0, &values(4), "wrote 1024 bytes\n")
}

/// On a machine with only a serial line, both outputs use it.
fn plain_serial() -> Result<()> {
    let mut command = run("wasi-streams", &["--console", "serial"], &["bytes", "1"]);
    let outcome = command::run(&mut command, Input::Bytes(b""), LIMIT)?;
    expect(&outcome, 0, &[values(1).as_slice(), b"wrote 256 bytes\n"].concat(), "")
}

fn copy(line: &str, length: usize) -> Result<()> {
    let bytes = mixed(length);
    let mut command = run("wasi-streams", &["--console", line], &["cat"]);
    let outcome = command::run(&mut command, Input::Bytes(&bytes), LIMIT)?;
    expect(&outcome, 0, &bytes, &format!("wrote {length} bytes\n"))
}

/// A program that writes to a closed output gets an error, as for a pipe, and the run ends with its status.
fn nobody_reads() -> Result<()> {
    let mut command = run("wasi-streams", &[], &["on"]);
    let mut child = start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let mut stdout = child.stdout.take().context("its output")?;
    let mut line = [0; 2];
    stdout.read_exact(&mut line)?;
    drop(stdout);
    let outcome = child.wait_with_output()?;
    let stderr = text(&outcome.stderr);
    ensure!(&line == b"y\n" && outcome.status.code() == Some(3), "{:?}: {stderr}", outcome.status);
    ensure!(stderr.starts_with("nobody reads any more\n"), "{stderr}");
    Ok(())
}

/// The program has already ended and does not notice.
fn lost_output() -> Result<()> {
    let full = File::options().write(true).open("/dev/full")?;
    let mut command = run("wasi-hello-rust", &[], &[]);
    let outcome =
        command.stdin(Stdio::null()).stdout(full).stderr(Stdio::piped()).spawn()?.wait_with_output()?;
    let stderr = text(&outcome.stderr);
    ensure!(
        outcome.status.code() == Some(1) && stderr.contains("standard output: No space left"),
        "{stderr}"
    );
    Ok(())
}

/// The program gets an error where the line can transmit one; otherwise the run fails.
fn unreadable_input() -> Result<()> {
    for (line, guest_said, is_run_error) in
        [("virtio", "I/O error", false), ("framed-serial", "I/O error", false), ("serial", "", true)]
    {
        let mut command = run("wasi-streams", &["--console", line], &["cat"]);
        let outcome = command
            .stdin(File::open("/")?)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?
            .wait_with_output()?;
        let (stdout, stderr) = (text(&outcome.stdout), text(&outcome.stderr));
        let about = format!("{line}: {:?}: {stdout}{stderr}", outcome.status);
        ensure!(outcome.status.code().is_some_and(|status| status != 0), "{about}");
        ensure!(stderr.contains("capos: standard input: Is a directory"), "{about}");
        ensure!(stderr.contains(guest_said) && is_run_error == stdout.contains("wrote 0 bytes"), "{about}");
    }
    Ok(())
}

/// Unread input is available to the next program.
fn unread_input() -> Result<()> {
    let program = tree::root().join("build/wasm/wasi-streams.wasm");
    let capos = host_command().get_program().to_owned();
    let mut command = Command::new("sh");
    command.current_dir(tree::root());
    command.args(["-c", "\"$0\" run \"$1\" -- bytes 1 >/dev/null && cat"]).arg(capos).arg(program);
    let outcome = command::run(&mut command, Input::Bytes(b"left\0over"), LIMIT)?;
    expect(&outcome, 0, b"left\0over", "wrote 256 bytes\n")
}

/// If both outputs go to one file, the order of writes is kept.
fn one_file() -> Result<()> {
    let program = tree::root().join("build/wasm/wasi-streams.wasm");
    let capos = host_command().get_program().to_owned();
    let mut command = Command::new("sh");
    command.current_dir(tree::root());
    command.args(["-c", "\"$0\" run \"$1\" -- bytes 2000 2>&1"]).arg(capos).arg(program);
    let outcome = command::run(&mut command, Input::Bytes(b""), LIMIT)?;
    expect(&outcome, 0, &[values(2000).as_slice(), b"wrote 512000 bytes\n"].concat(), "")
}

fn tty_option() -> Result<()> {
    for (option, wanted) in [
        ("stdin,stderr", "input: yes\noutput: no\nerrors: yes\n"),
        ("all", "input: yes\noutput: yes\nerrors: yes\n"),
    ] {
        let mut command = run("wasi-terminals", &["--tty", option], &[]);
        let outcome = command::run(&mut command, Input::Bytes(b""), LIMIT)?;
        expect(&outcome, 0, wanted.as_bytes(), "")?;
    }
    let mut command = run("wasi-terminals", &["--tty", "stdin,both"], &[]);
    let outcome = command::run(&mut command, Input::Bytes(b""), LIMIT)?;
    ensure!(outcome.status == Some(2), "{:?}", outcome.status);
    ensure!(text(&outcome.stderr).contains("stdin,stdout,stderr"), "{}", text(&outcome.stderr));
    Ok(())
}

fn start(command: &mut Command) -> Result<Child> {
    command.process_group(0).spawn().with_context(|| format!("{:?}", command.get_program()))
}

/// A raw terminal of 101 columns and 37 rows: this end, and the program's end.
fn open_terminal() -> Result<(File, OwnedFd)> {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let name = ptsname(&ours, Vec::new())?;
    let theirs = File::options().read(true).write(true).open(name.to_str()?)?;
    let mut settings = tcgetattr(&theirs)?;
    settings.make_raw();
    tcsetattr(&theirs, OptionalActions::Now, &settings)?;
    tcsetwinsize(&theirs, Winsize { ws_row: 37, ws_col: 101, ws_xpixel: 0, ws_ypixel: 0 })?;
    Ok((ours.into(), theirs.into()))
}

/// One of the streams is a terminal, the others are pipes.
fn terminal(stream: usize) -> Result<()> {
    let (ours, theirs) = open_terminal()?;
    let mut command = run("wasi-terminals", &[], &[]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    match stream {
        0 => command.stdin(theirs),
        1 => command.stdout(theirs),
        _ => command.stderr(theirs),
    };
    let mut child = start(&mut command)?;
    // The command holds the other end of the terminal, which closes with its last descriptor.
    drop(command);
    let shown = read_to_end(ours);
    let mut piped = Vec::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_end(&mut piped)?;
    }
    let outcome = child.wait_with_output()?;
    ensure!(outcome.status.success(), "{:?}: {}", outcome.status, text(&outcome.stderr));
    let shown = shown.join().ok().context("the terminal")?;
    let found = text(if stream == 1 { &shown } else { &piped });
    let says = |index| if index == stream { "yes" } else { "no" };
    let wanted = format!("input: {}\noutput: {}\nerrors: {}\n", says(0), says(1), says(2));
    ensure!(found == wanted, "stream {stream} is a terminal, and the program found\n{found}");
    Ok(())
}

/// Everything written to a terminal. Reading one that is closed on the other side is an error.
fn read_to_end(mut terminal: File) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let (mut shown, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = terminal.read(&mut buffer) {
            shown.write_all(&buffer[..count]).unwrap_or_default();
        }
        shown
    })
}
