//! Runs a program with input, collected output and a time limit.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::patience::Patience;

/// Interval between checks of a program's time limit.
const GLANCE: Duration = Duration::from_millis(200);

/// The result of a program: its end and its output.
#[derive(Debug)]
pub struct Outcome {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// The exit status; `None` if a signal ended it.
    pub status: Option<i32>,
    /// Whether it was killed because its time was over.
    pub timed_out: bool,
}

/// The input of a program.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// These bytes, followed by the end of input.
    Bytes(&'a [u8]),
    /// No input, and no end of input.
    Endless,
}

/// The moment at which a program is killed.
#[derive(Debug, Clone, Copy)]
pub enum Kill<'a> {
    /// This long after its start.
    After(Duration),
    /// This long after it has written this text; at the latest after `limit`, which counts as in [`run`].
    AfterText {
        /// The text to wait for.
        text: &'a str,
        /// Delay after the text.
        delay: Duration,
        /// Maximum wait for the text.
        limit: Duration,
    },
}

/// Runs `command` and kills it with all its descendants, as `kill` says. `timed_out` tells whether it was still
/// running.
pub fn run_and_kill(command: &mut Command, input: Input<'_>, kill: Kill<'_>) -> Result<Outcome> {
    match kill {
        Kill::After(delay) => {
            run_watched(command, input, None, |events, _| events.recv_timeout(delay).is_ok())
        }
        Kill::AfterText { text, delay, limit } => {
            run_watched(command, input, Some(text), |events, group| match wait(events, group, limit) {
                Some(Event::Written) => events.recv_timeout(delay).is_ok(),
                Some(Event::Ended) => true,
                None => false,
            })
        }
    }
}

/// Runs `command`. If it takes longer than `limit`, it and its descendants are killed. Time spent waiting for a processor
/// does not count, so a busy host changes nothing.
pub fn run(command: &mut Command, input: Input<'_>, limit: Duration) -> Result<Outcome> {
    run_watched(command, input, None, |events, group| wait(events, group, limit).is_some())
}

/// The next event of a program; `None` if its time is over first.
fn wait(events: &Receiver<Event>, group: u32, limit: Duration) -> Option<Event> {
    let mut patience = Patience::new(group, limit);
    loop {
        match events.recv_timeout(GLANCE) {
            Ok(event) => return Some(event),
            Err(_) if patience.is_over() => return None,
            Err(_) => (),
        }
    }
}

/// Runs `command` until `ends`, which is given its process group and the moment when it has written a text, decides that
/// it must have ended. If it is still running, the program and its descendants are killed.
fn run_watched(
    command: &mut Command,
    input: Input<'_>,
    text: Option<&str>,
    ends: impl FnOnce(&Receiver<Event>, u32) -> bool,
) -> Result<Outcome> {
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
        // It is not an error if a program does not read all its input.
        thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&bytes)));
    }
    let stderr = collect(child.stderr.take(), |_| ());

    // Its output ends when the program and its descendants have ended, or are killed.
    let (events, received) = mpsc::channel();
    let written = events.clone();
    let wanted = text.map(|text| text.as_bytes().to_vec());
    let mut seen = wanted.is_none();
    let stdout = collect(child.stdout.take(), move |bytes| {
        if let Some(wanted) = &wanted
            && !seen
            && bytes.windows(wanted.len()).any(|part| part == wanted)
        {
            seen = true;
            // After a time-out the receiver may be gone already; here and below.
            let _ = written.send(Event::Written);
        }
    });
    let stdout = thread::spawn(move || {
        let bytes = stdout.join();
        let _ = events.send(Event::Ended);
        bytes
    });
    let timed_out = !ends(&received, child.id());
    if timed_out {
        kill(&child)?;
    }
    let status = child.wait().context("waiting for a program")?;
    // An endless input stays open up to here.
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

/// Collects a program's output; `each` gets all of it whenever there is more.
fn collect(
    stream: Option<impl Read + Send + 'static>,
    mut each: impl FnMut(&[u8]) + Send + 'static,
) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        let Some(mut stream) = stream else { return bytes };
        // Output before an error is still worth showing.
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            bytes.extend(buffer.iter().take(count));
            each(&bytes);
        }
        bytes
    })
}

enum Event {
    /// The awaited text was written.
    Written,
    Ended,
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(300);

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

    /// Runs a script until it has written "begun", and a moment longer, however slow the host is.
    fn begin(script: &str, input: Input<'_>) -> Outcome {
        let (delay, limit) = (Duration::from_millis(300), LONG);
        let kill = Kill::AfterText { text: "begun\n", delay, limit };
        run_and_kill(Command::new("sh").args(["-c", script]), input, kill).unwrap()
    }

    #[test]
    fn a_program_that_hangs_is_killed() {
        // On a busy host it may not even have started by then.
        let outcome = shell("sleep 1000; echo no", Input::Bytes(b""), Duration::from_millis(500));
        assert!(outcome.timed_out);
        assert_eq!(outcome.status, None);
        assert_eq!(outcome.stdout, b"");
    }

    #[test]
    fn what_a_killed_program_wrote_is_kept() {
        let outcome = begin("echo begun; sleep 1000; echo no", Input::Bytes(b""));
        assert!(outcome.timed_out);
        assert_eq!(outcome.stdout, b"begun\n");
    }

    #[test]
    fn endless_input_does_not_end() {
        let outcome = begin("echo begun; cat; echo no", Input::Endless);
        assert!(outcome.timed_out);
        assert_eq!(outcome.stdout, b"begun\n");
    }

    #[test]
    fn a_program_is_killed_so_long_after_what_it_wrote() {
        let (delay, limit) = (Duration::from_millis(300), Duration::from_secs(60));
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two; sleep 1000; echo no"]);
        let kill = Kill::AfterText { text: "two\n", delay, limit };
        let outcome = run_and_kill(&mut command, Input::Endless, kill).unwrap();
        assert!(outcome.timed_out);
        assert_eq!(outcome.stdout, b"one\ntwo\n");
    }
}
