//! Running a program with input, collected output and a time limit.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process_group};

/// How a program ended and what it wrote.
#[derive(Debug)]
pub struct Outcome {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// The exit status; none when a signal ended it.
    pub status: Option<i32>,
    /// It was ended because its time was over.
    pub timed_out: bool,
}

/// What a program reads.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// These bytes, and then the end.
    Bytes(&'a [u8]),
    /// Nothing, and no end either.
    Endless,
}

/// Runs `command`. If it takes longer than `limit`, it and what it started are killed.
pub fn run(command: &mut Command, input: Input<'_>, limit: Duration) -> Result<Outcome> {
    let mut child = command
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{:?}", command.get_program()))?;

    let mut stdin = child.stdin.take();
    if let Input::Bytes(bytes) = input {
        let (stdin, bytes) = (stdin.take(), bytes.to_vec());
        // A program that does not read all of its input is none of our concern.
        thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&bytes)));
    }
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());

    // Its output ends when the program and what it started have ended, or when it is killed.
    let (done, over) = mpsc::channel();
    let stdout = thread::spawn(move || {
        let bytes = stdout.join();
        // The receiver may be gone already, after a time-out.
        let _ = done.send(());
        bytes
    });
    let timed_out = over.recv_timeout(limit).is_err();
    if timed_out {
        kill(&child)?;
    }
    let status = child.wait().context("waiting for a program")?;
    // Until here an endless input has stayed open.
    drop(stdin);
    Ok(Outcome {
        stdout: stdout.join().ok().and_then(Result::ok).unwrap_or_default(),
        stderr: stderr.join().unwrap_or_default(),
        status: status.code(),
        timed_out,
    })
}

/// Kills a program's whole process group.
fn kill(leader: &Child) -> Result<()> {
    kill_process_group(Pid::from_child(leader), Signal::KILL)
        .context("a program that takes too long cannot be killed")
}

fn collect(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What was read before an error is still worth showing.
            drop(stream.read_to_end(&mut bytes));
        }
        bytes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str, input: Input<'_>, limit: Duration) -> Outcome {
        run(Command::new("sh").args(["-c", script]), input, limit).unwrap()
    }

    #[test]
    fn input_output_and_status_pass_through() {
        let outcome = shell("cat; echo problem >&2; exit 42", Input::Bytes(b"hello\n"), LONG);
        assert_eq!(outcome.stdout, b"hello\n");
        assert_eq!(outcome.stderr, b"problem\n");
        assert_eq!(outcome.status, Some(42));
        assert!(!outcome.timed_out);
    }

    #[test]
    fn a_program_that_hangs_is_killed() {
        let outcome = shell("echo begun; sleep 1000; echo no", Input::Bytes(b""), Duration::from_millis(500));
        assert!(outcome.timed_out);
        assert_eq!(outcome.status, None);
        assert_eq!(outcome.stdout, b"begun\n");
    }

    #[test]
    fn endless_input_does_not_end() {
        let outcome = shell("echo begun; cat; echo no", Input::Endless, Duration::from_millis(500));
        assert!(outcome.timed_out);
        assert_eq!(outcome.stdout, b"begun\n");
    }
}
