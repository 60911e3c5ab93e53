//! Runs the evaluator within bounds: a few lines of CUE can describe a value of any size.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use anyhow::{Result, anyhow};
use capos_volume_tool::show_size;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

/// Memory that the evaluator may write to. Manifests in use take some tens of MiB.
const MEMORY_BYTES: u64 = 2 << 30;
/// Processor time that it may take, which unlike time does not depend on what else the machine does.
const CPU_SECONDS: u64 = 60;
/// The most that it may print: arguments and environments of instances can take 4 MiB each.
const OUTPUT_BYTES: u64 = 256 << 20;
/// Messages beyond this are not read.
const MESSAGE_BYTES: u64 = 16 << 20;

/// Limits of an evaluation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    memory_bytes: u64,
    cpu_seconds: u64,
    output_bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { memory_bytes: MEMORY_BYTES, cpu_seconds: CPU_SECONDS, output_bytes: OUTPUT_BYTES }
    }
}

/// Output of an evaluation.
pub(super) struct Evaluated {
    /// The bound that ended it, in words.
    pub(super) exceeded: Option<String>,
    pub(super) status: ExitStatus,
    pub(super) value: Vec<u8>,
    pub(super) messages: String,
}

/// Runs `cue export` on `files`.
///
/// # Errors
/// When there is no such command.
pub(super) fn export<'a>(
    cue: &OsString,
    files: impl IntoIterator<Item = &'a OsStr>,
    bounds: Bounds,
) -> Result<Evaluated> {
    let mut command = Command::new(cue);
    // Ctrl-C is ours to act upon.
    command.process_group(0).args(["export", "--all-errors", "--out", "json"]).args(files);
    // The collector of a Go program lets memory double before it runs, unless it is told what there is.
    command.env("GOMEMLIMIT", (bounds.memory_bytes / 4 * 3).to_string());
    bounded(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()), bounds)
        .map_err(|error| not_started(error, cue))
}

fn bounded(command: &mut Command, bounds: Bounds) -> io::Result<Evaluated> {
    let mut child = command.spawn()?;
    // Children of this process are waited for here only, so the number is still this one's.
    if let Err(error) = limit(&child, bounds) {
        drop((child.kill(), child.wait()));
        return Err(error);
    }
    let stderr = child.stderr.take();
    let messages = thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stderr.map(|stderr| stderr.take(MESSAGE_BYTES).read_to_end(&mut bytes));
        read.unwrap_or(Ok(0)).map(|_| String::from_utf8_lossy(&bytes).into_owned())
    });
    let mut value = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(bounds.output_bytes + 1).read_to_end(&mut value)?;
    }
    let is_too_long = value.len() as u64 > bounds.output_bytes;
    if is_too_long {
        child.kill()?;
    }
    let status = child.wait()?;
    let messages = messages.join().map_err(|_| io::Error::other("a thread panicked"))??;
    let exceeded = match is_too_long {
        true => Some(format!("its value takes more than {} as JSON", show_size(bounds.output_bytes))),
        false => exceeded(status, &messages, bounds).map(|reason| format!("evaluating it takes {reason}")),
    };
    Ok(Evaluated { exceeded, status, value, messages })
}

/// Bounds the process. It has begun by then, and has not got far.
fn limit(child: &Child, bounds: Bounds) -> io::Result<()> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // No number would stand for this process itself.
    let pid = pid.ok_or_else(|| io::Error::other("the number of a process is out of range"))?;
    let set = |resource, most: u64| {
        let wanted = Rlimit { current: Some(most), maximum: Some(most) };
        match prlimit(Some(pid), resource, wanted) {
            // It has ended already.
            Err(rustix::io::Errno::SRCH) => Ok(()),
            done => done.map(drop),
        }
    };
    // Address space would be the wrong measure: the runtime of a Go program reserves much more than it uses.
    set(Resource::Data, bounds.memory_bytes)?;
    set(Resource::Cpu, bounds.cpu_seconds)?;
    Ok(())
}

/// The bound that ended a process.
fn exceeded(status: ExitStatus, messages: &str, bounds: Bounds) -> Option<String> {
    if status.success() {
        return None;
    }
    let lacked_memory = ["out of memory", "cannot allocate memory", "stack exceeds"];
    if messages.lines().any(|line| {
        let is_of_runtime = ["fatal error: ", "runtime: "].iter().any(|start| line.starts_with(start));
        is_of_runtime && lacked_memory.iter().any(|words| line.contains(words))
    }) {
        return Some(format!("more than {} of memory", show_size(bounds.memory_bytes)));
    }
    const SIGKILL: i32 = 9;
    const SIGXCPU: i32 = 24;
    let ended_by = status.signal();
    [SIGKILL, SIGXCPU]
        .into_iter()
        .any(|signal| ended_by == Some(signal))
        .then(|| format!("more than {} seconds of processor time", bounds.cpu_seconds))
}

fn not_started(error: io::Error, cue: &OsString) -> anyhow::Error {
    if error.kind() == io::ErrorKind::NotFound {
        return anyhow!(
            "{} is not installed. `make setup` installs CUE into build/tools/bin; or set CUE to its path",
            cue.display()
        );
    }
    anyhow!(error).context(format!("running {}", cue.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a shell script in place of the evaluator.
    fn run(script: &str, bounds: Bounds) -> String {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let evaluated = bounded(&mut command, bounds).unwrap();
        evaluated.exceeded.unwrap_or_else(|| String::from_utf8(evaluated.value).unwrap())
    }

    #[test]
    fn an_evaluator_without_end_is_ended() {
        let bounds = Bounds { cpu_seconds: 1, ..Bounds::default() };
        assert_eq!(
            run("while :; do :; done", bounds),
            "evaluating it takes more than 1 seconds of processor time"
        );
    }

    #[test]
    fn output_without_end_is_not_kept() {
        let bounds = Bounds { output_bytes: 1 << 20, ..Bounds::default() };
        assert_eq!(
            run("while :; do echo 0123456789; done", bounds),
            "its value takes more than 1MiB as JSON"
        );
        assert_eq!(run("echo {}", bounds), "{}\n");
    }

    #[test]
    fn a_runtime_without_memory_is_told_from_messages_about_the_manifest() {
        let failed = ExitStatus::from_raw(2 << 8);
        let bounds = Bounds::default();
        for (messages, wanted) in [
            ("runtime: cannot allocate memory\n", Some("more than 2GiB of memory")),
            ("fatal error: runtime: out of memory\n\ngoroutine 1", Some("more than 2GiB of memory")),
            ("name: conflicting values \"out of memory\" and 1:\n", None),
        ] {
            assert_eq!(exceeded(failed, messages, bounds).as_deref(), wanted, "{messages}");
        }
    }
}
