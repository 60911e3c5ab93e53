//! One run of QEMU: threads for its streams, and the decision how it ended.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use signal_hook::consts::SIGWINCH;

use super::command::{Boot, Machine, Sockets};
use super::console::{Console, ConsoleLine};
use super::log::{self, Log};
use super::streams::{self, Guest};
use super::tie::{NOT_STARTED, tied};
use super::{FinishedRun, MachineEnd, input, output};
use crate::interrupts::Interrupts;
use crate::say::{say, say_as_it_is};

/// QEMU's exit statuses for the kernel's exit codes 0x10 and 0x20.
const REGULAR_END: i32 = 0x10 << 1 | 1;
const KERNEL_PANIC: i32 = 0x20 << 1 | 1;

/// The parameters of a run.
#[derive(Debug)]
pub struct Run {
    /// The machine.
    pub machine: Machine,
    /// The system that boots on it.
    pub boot: Boot,
    /// The line of its console. The boot package must agree.
    pub console: ConsoleLine,
    /// The time limit.
    pub timeout: Duration,
    /// The file for the kernel log.
    pub log_file: Option<File>,
    /// When the log is shown on standard error.
    pub log: ShowLog,
    /// A temporary folder, for the sockets that QEMU connects to.
    pub place: PathBuf,
    /// The path of the command `capos`, which ties QEMU's life to this process. Without it QEMU survives this
    /// process.
    pub capos: Option<PathBuf>,
}

/// When to show the kernel log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShowLog {
    /// Not at all.
    Never,
    /// At the end of a run that ended abnormally.
    AfterFailure,
    /// Line by line.
    AsItComes,
}

enum Event {
    OutputEnded(io::Result<()>),
    Signal(i32),
    /// A terminal was resized.
    Resized,
}

/// Reasons for ending QEMU.
enum StopCause {
    TimedOut,
    Signal(i32),
}

/// Boots, waits for the end, and shows the kernel log if the run ended abnormally.
pub fn run(run: &Run, console: Console, interrupts: &Interrupts) -> Result<FinishedRun> {
    let socket = run.place.join("log");
    let listener = listen(&socket)?;
    let streams = (run.console == ConsoleLine::Virtio).then(|| run.place.join("streams"));
    let streams_listener = streams.as_deref().map(listen).transpose()?;
    let log_file = run.log_file.as_ref().map(File::try_clone).transpose().context("the log's file")?;
    let sockets = Sockets { log: socket.clone(), streams: streams.clone() };
    let arguments = run.machine.arguments(&run.boot, &sockets).map_err(|reason| anyhow!(reason))?;

    let (events, received) = mpsc::channel();
    let signalled = events.clone();
    interrupts.pass_to(move |signal| {
        // The receiver is gone when the run has ended.
        let event = if signal == SIGWINCH { Event::Resized } else { Event::Signal(signal) };
        let _ = signalled.send(event);
    });
    let qemu = &run.machine.qemu;
    let mut command = run.capos.as_deref().map_or_else(|| Command::new(qemu), |capos| tied(capos, qemu));
    if interrupts.outlives_hang_up() {
        // QEMU ends with a hang-up even if that was ignored; a terminal sends it to its foreground group.
        command.process_group(0);
    }
    let mut child = command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| starting(qemu))?;

    let (ready, wait_ready) = mpsc::channel();
    let show_log = run.log == ShowLog::AsItComes;
    let log = thread::spawn(move || collect_log(&listener, log_file, ready, show_log));
    let errors = collect_errors(&mut child, streams);
    let terminals = console.terminals.clone();
    let guest: Arc<OnceLock<Arc<Guest>>> = Arc::default();
    let lost_input = Arc::<AtomicBool>::default();
    let link = match streams_listener {
        Some(listener) => {
            // Only a kernel that cannot start writes to the serial port, before anything else does.
            drop(child.stdin.take());
            show_serial(child.stdout.take());
            Link::Virtio(listener)
        }
        None => Link::Serial {
            input: child.stdin.take(),
            output: child.stdout.take(),
            after: matches!(run.boot, Boot::Iso { .. }).then_some(super::ISO_MARKER),
            framed: run.console == ConsoleLine::FramedSerial,
            ready: wait_ready,
            lost_input: lost_input.clone(),
        },
    };
    let shared = guest.clone();
    thread::spawn(move || {
        let result = link.pass(console, &shared);
        // The receiver is gone when the run has been stopped.
        let _ = events.send(Event::OutputEnded(result));
    });

    let deadline = Instant::now() + run.timeout;
    let resized = || {
        if let Some(guest) = guest.get() {
            guest.tell_terminals(terminals());
        }
    };
    let stopped = wait(&received, deadline, resized);
    if matches!(stopped, Ok(Some(_))) {
        child.kill().context("ending QEMU")?;
        drain(&received);
    } else if stopped.is_err() {
        child.kill().context("ending QEMU")?;
    }
    let status = child.wait().context("waiting for QEMU")?;
    // If QEMU never connected, this lets the waiting thread see the end.
    drop(UnixStream::connect(&socket));
    interrupts.hold();
    let log = join(log)?.context("the kernel log")?;
    let end = match stopped? {
        Some(StopCause::TimedOut) => MachineEnd::TimedOut,
        Some(StopCause::Signal(signal)) => MachineEnd::Signalled(signal),
        None => {
            let errors = join(errors)?;
            ensure!(
                run.capos.is_none() || status.code() != Some(NOT_STARTED),
                "{}: {}",
                starting(qemu),
                errors.trim_end()
            );
            match (judge(status, &log, &errors), interrupts.last()) {
                (MachineEnd::Reset | MachineEnd::Qemu(_), Some(signal)) => MachineEnd::Signalled(signal),
                (end, _) => end,
            }
        }
    };
    // A kernel that was running when its time was over has nothing to say about that.
    let is_telling = match end {
        MachineEnd::Status(_) | MachineEnd::Signalled(_) => false,
        MachineEnd::TimedOut => !log.has_banner(),
        MachineEnd::Panic | MachineEnd::Reset | MachineEnd::Qemu(_) => true,
    };
    if run.log == ShowLog::AfterFailure && is_telling {
        show(&log);
    }
    let lost_output = guest.get().is_some_and(|guest| guest.has_lost_output());
    let lost_input = lost_input.load(Ordering::Relaxed);
    Ok(FinishedRun { end, lost_input, lost_output, log: log.into_tail() })
}

fn starting(qemu: &Path) -> String {
    let shown = qemu.display();
    match qemu.components().count() {
        1 if qemu.starts_with("qemu-system-x86_64") => format!("starting {shown}; `make setup` installs it"),
        _ => format!("--qemu {shown}: it cannot be started"),
    }
}

fn listen(socket: &Path) -> Result<UnixListener> {
    UnixListener::bind(socket).with_context(|| format!("{}; set TMPDIR to another folder", socket.display()))
}

/// Waits until the guest's output has ended, which it does when QEMU ends.
fn wait(events: &Receiver<Event>, deadline: Instant, resized: impl Fn()) -> Result<Option<StopCause>> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        return match events.recv_timeout(left) {
            Ok(Event::Resized) => {
                resized();
                continue;
            }
            Ok(Event::OutputEnded(Ok(()))) => Ok(None),
            Ok(Event::OutputEnded(Err(error))) => Err(error).context("the guest's output"),
            Ok(Event::Signal(signal)) => Ok(Some(StopCause::Signal(signal))),
            Err(RecvTimeoutError::Timeout) => Ok(Some(StopCause::TimedOut)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
        };
    }
}

/// Waits until the output that the guest wrote before it was stopped has been passed on.
fn drain(events: &Receiver<Event>) {
    const PATIENCE: Duration = Duration::from_secs(5);
    while let Ok(event) = events.recv_timeout(PATIENCE) {
        if matches!(event, Event::OutputEnded(_)) {
            return;
        }
    }
}

fn judge(status: ExitStatus, log: &Log, errors: &str) -> MachineEnd {
    if let (Some(0), Some(signal)) = (status.code(), terminated(errors)) {
        return MachineEnd::Signalled(signal);
    }
    match (status.code(), log.status()) {
        (Some(REGULAR_END), Some(status)) => MachineEnd::Status(status),
        (Some(KERNEL_PANIC), _) => MachineEnd::Panic,
        (Some(0), _) => MachineEnd::Reset,
        (Some(REGULAR_END), None) => {
            MachineEnd::Qemu("the kernel ended without an exit status in its log".to_owned())
        }
        _ => MachineEnd::Qemu(format!("QEMU ended with {status}\n{errors}")),
    }
}

/// The signal that ended QEMU: a terminal's Ctrl-C reaches QEMU together with this process, and is then a
/// regular end.
fn terminated(errors: &str) -> Option<i32> {
    let (_, rest) = errors.split_once("terminating on signal ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn show(log: &Log) {
    log.tail().for_each(say_as_it_is);
}

fn collect_log(
    listener: &UnixListener,
    file: Option<File>,
    ready: Sender<()>,
    show: bool,
) -> io::Result<Log> {
    let (stream, _) = listener.accept()?;
    let mut ready = Some(ready);
    let each = |line: &str| {
        if show {
            say_as_it_is(line);
        }
        if log::is_banner(line)
            && let Some(ready) = ready.take()
        {
            // The input's thread may have ended already.
            let _ = ready.send(());
        }
    };
    let (log, kept) = Log::collect(stream, file, each)?;
    if let Err(error) = kept {
        say(format_args!("the kernel log's file is incomplete: {error}"));
    }
    Ok(log)
}

/// Collects QEMU's error output. Its end is the first sign that QEMU has ended: this then connects to `streams`, so that
/// a thread waiting for a connection sees the end.
fn collect_errors(child: &mut Child, streams: Option<PathBuf>) -> JoinHandle<String> {
    let stderr = child.stderr.take();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // Output before an error is still worth showing.
        let _ = stderr.map(|mut stderr| stderr.read_to_end(&mut bytes));
        drop(streams.map(UnixStream::connect));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Shows the serial port's output.
fn show_serial(output: Option<ChildStdout>) {
    thread::spawn(move || {
        let copied = output.map(|mut output| output::copy(&mut output, &mut io::stderr()));
        // If standard error is closed, the error cannot be reported.
        drop(copied);
    });
}

/// The line of the console, ready to pass bytes.
enum Link {
    /// A socket to which QEMU connects.
    Virtio(UnixListener),
    /// QEMU's own streams.
    Serial {
        input: Option<ChildStdin>,
        output: Option<ChildStdout>,
        /// The marker before which output is not the guest's.
        after: Option<&'static str>,
        /// Whether the streams are separate.
        framed: bool,
        /// Signals the kernel's first line.
        ready: Receiver<()>,
        /// Set when the guest was sent an end of input in place of an error.
        lost_input: Arc<AtomicBool>,
    },
}

impl Link {
    /// Passes bytes in both directions until the guest's output ends. A guest with separate streams is put into `guest`
    /// when it appears.
    fn pass(self, console: Console, guest: &OnceLock<Arc<Guest>>) -> io::Result<()> {
        match self {
            Self::Virtio(listener) => {
                let (mut socket, _) = listener.accept()?;
                let to = Box::new(socket.try_clone()?);
                streams::relay(&mut socket, guest.get_or_init(|| Guest::new(to)), console)
            }
            Self::Serial { input: Some(input), output: Some(output), after, framed, ready, lost_input } => {
                let mut output = output::After::new(output, after);
                if framed {
                    let to = Box::new(input::Quoting(input));
                    return streams::relay(&mut output, guest.get_or_init(|| Guest::new(to)), console);
                }
                forward_input(input, console.input, ready, lost_input);
                let mut to = console.output;
                output::copy(&mut output, &mut *to)
            }
            Self::Serial { .. } => Ok(()),
        }
    }
}

/// Forwards input from the kernel's first line on. Earlier it would be lost, or read by firmware.
///
/// The thread is never joined: it may block on input for ever.
fn forward_input(
    mut to: ChildStdin,
    mut from: Box<dyn Read + Send>,
    ready: Receiver<()>,
    lost: Arc<AtomicBool>,
) {
    thread::spawn(move || {
        if ready.recv().is_ok() {
            let unreadable = |error: &io::Error| {
                lost.store(true, Ordering::Relaxed);
                say(input::unreadable(error));
            };
            // A guest that has ended accepts no more input, which is not an error.
            let _ = input::forward(&mut *from, &mut to, unreadable);
        }
    });
}

fn join<T>(thread: JoinHandle<T>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a thread panicked"))
}
