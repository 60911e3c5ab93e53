//! Running a program with input, collected output and a time limit.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::patience::Patience;

/// How often a program's time limit is looked at.
const GLANCE: Duration = Duration::from_millis(200);

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

/// The input of a program.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// These bytes, and then the end.
    Bytes(&'a [u8]),
    /// Nothing, and no end either.
    Endless,
}

/// When a program is killed.
#[derive(Debug, Clone, Copy)]
pub enum Kill<'a> {
    /// So long after its start.
    After(Duration),
    /// So long after it has written this text; at the latest when `limit` is over, which counts as in [`run`].
    AfterText {
        /// The text to wait for.
        text: &'a str,
        /// How long to wait from then on.
        delay: Duration,
        /// How long to wait for it.
        limit: Duration,
    },
}

/// Runs `command` and kills it and all that it started, as `kill` says. `timed_out` says whether it still ran then.
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

/// Runs `command`. If it takes longer than `limit`, it and what it started are killed. What they wait for a processor does
/// not count: how busy the host is changes nothing.
pub fn run(command: &mut Command, input: Input<'_>, limit: Duration) -> Result<Outcome> {
    run_watched(command, input, None, |events, group| wait(events, group, limit).is_some())
}

/// The next event of a program; none when its time is over before.
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

/// Runs `command` until `ends`, which is told of its process group and when it has written a text, finds that it has ended.
/// If it is not so then, the program and what it started are killed.
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
        // A program that does not read all of its input is none of our concern.
        thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&bytes)));
    }
    let stderr = collect(child.stderr.take(), |_| ());

    // Its output ends when the program and what it started have ended, or when it is killed.
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
            // The receiver may be gone already, after a time-out; here and below.
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

/// Collects what a program writes; `each` sees all of it whenever there is more.
fn collect(
    stream: Option<impl Read + Send + 'static>,
    mut each: impl FnMut(&[u8]) + Send + 'static,
) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        let Some(mut stream) = stream else { return bytes };
        // What was read before an error is still worth showing.
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            bytes.extend(buffer.iter().take(count));
            each(&bytes);
        }
        bytes
    })
}

enum Event {
    /// The text that was waited for is there.
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

    /// Runs a script until it has written "begun", and a moment longer, however long the host takes until then.
    fn begin(script: &str, input: Input<'_>) -> Outcome {
        let (delay, limit) = (Duration::from_millis(300), LONG);
        let kill = Kill::AfterText { text: "begun\n", delay, limit };
        run_and_kill(Command::new("sh").args(["-c", script]), input, kill).unwrap()
    }

    #[test]
    fn a_program_that_hangs_is_killed() {
        // On a busy host it may not even have begun by then.
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
