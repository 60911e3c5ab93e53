//! Measurements by guests, in virtual time that advances with instructions.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::{Bench, COMPILED_HELLO, HELLO, HELLO_OUTPUT, Measure};
use crate::image;
use crate::interrupts::Interrupts;
use crate::qemu::{self, Console, ConsoleLine, Machine, MachineEnd, Run};
use crate::volumes;
use crate::workplace::Workplace;

pub(super) const TIMEOUT: Duration = Duration::from_secs(300);
/// Ample memory.
const MEMORY_MIB: u32 = 256;

/// The output of a guest.
pub(super) struct Shown {
    pub(super) end: MachineEnd,
    pub(super) output: String,
    pub(super) log: String,
}

/// The parameters for running a guest.
pub(super) struct How {
    pub(super) memory_mib: u32,
    pub(super) count_instructions: bool,
    pub(super) timeout: Duration,
    pub(super) console: ConsoleLine,
}

impl How {
    fn counted() -> Self {
        Self {
            memory_mib: MEMORY_MIB,
            count_instructions: true,
            timeout: TIMEOUT,
            console: ConsoleLine::Serial,
        }
    }
}

/// The time until the machine was switched off, without that in which nothing ran: virtual time advances then without instructions.
fn worked(log: &str) -> Result<u64> {
    let end = log.lines().rev().find(|line| line.ends_with("] power off")).and_then(timestamp);
    let end = end.context("the kernel log does not say when the power went off")?;
    let idle =
        log.lines().rev().find_map(idle).context("the kernel log does not say how long nothing ran")?;
    Ok(end.saturating_sub(idle))
}

/// The nanoseconds in the line `[TIME] idle for SECONDS s`.
fn idle(line: &str) -> Option<u64> {
    let seconds = line.split_once("] idle for ")?.1.strip_suffix(" s")?;
    nanoseconds(seconds)
}

impl Bench<'_> {
    /// The figures that the guest prints as `name value unit`.
    pub(super) fn guest(&self, manifest: &Path) -> Result<Vec<Measure>> {
        let shown = self.counted(manifest)?;
        let measures: Vec<Measure> = shown.output.lines().filter_map(parse).collect();
        if measures.is_empty() {
            bail!("{}: printed no measurements", manifest.display());
        }
        Ok(measures)
    }

    /// The time from kernel entry until everything has ended, by the kernel log's clock; and within that, the
    /// wasm host's figure for starting the instance.
    pub(super) fn boot_to_hello(&self) -> Result<Vec<Measure>> {
        let manifest = self.project.manifest(HELLO);
        let shown = self.counted(&manifest)?;
        if shown.output != HELLO_OUTPUT {
            bail!("{}: printed {:?}", manifest.display(), shown.output);
        }
        let mut measures = vec![Measure::new("boot_to_wasm_hello", worked(&shown.log)?, "instructions")];
        let (compile, instantiate) =
            shown.log.lines().find_map(start_time).context("the log has no start time")?;
        measures.push(Measure::new("wasm_compilation", compile, "instructions"));
        measures.push(Measure::new("wasm_instantiation", instantiate, "instructions"));
        Ok(measures)
    }

    fn counted(&self, manifest: &Path) -> Result<Shown> {
        let shown = self.boot(manifest, &How::counted())?;
        if shown.end != MachineEnd::Status(0) {
            bail!("{}: ended with {:?}\n{}{}", manifest.display(), shown.end, shown.output, shown.log);
        }
        Ok(shown)
    }

    /// The time from kernel entry until everything has ended, for the hello program from code in the compiler's cache, which
    /// an earlier boot has put there.
    pub(super) fn boot_to_compiled_hello(&self) -> Result<Measure> {
        let manifest = self.project.manifest(COMPILED_HELLO);
        let disks = Workplace::make()?;
        let how = How::counted();
        let boot = || {
            let shown = self.boot_on(&manifest, &how, Some(disks.path()))?;
            if shown.end != MachineEnd::Status(0) || shown.output != HELLO_OUTPUT {
                bail!("{}: ended with {:?}\n{}{}", manifest.display(), shown.end, shown.output, shown.log);
            }
            worked(&shown.log)
        };
        let (compiled, cached) = (boot()?, boot()?);
        if cached >= compiled {
            bail!("{}: the cache brought nothing: {cached} after {compiled}", manifest.display());
        }
        Ok(Measure::new("boot_to_compiled_hello", cached, "instructions"))
    }

    /// Boots a manifest, with an empty input and new disks.
    pub(super) fn boot(&self, manifest: &Path, how: &How) -> Result<Shown> {
        self.boot_on(manifest, how, None)
    }

    /// Boots a manifest with the disks in a folder, which are made if they are not there.
    pub(super) fn boot_on(&self, manifest: &Path, how: &How, disks: Option<&Path>) -> Result<Shown> {
        let folder = Workplace::make()?;
        let interrupts = Interrupts::take()?;
        interrupts.remove(folder.path().to_owned());
        let checked = image::check(self.project, manifest, how.console)?;
        let boot = image::direct_boot(self.project, &checked, folder.path())?;
        let disks = volumes::fresh_disks(&checked.manifest, disks.unwrap_or(folder.path()))?;
        let log_path = folder.path().join("kernel.log");
        let log_file = File::create_new(&log_path).with_context(|| log_path.display().to_string())?;
        let run = Run {
            machine: Machine {
                qemu: self.qemu.to_owned(),
                memory_mib: how.memory_mib,
                cpus: 1,
                count_instructions: how.count_instructions,
                disks: disks.list.clone(),
                extra: Vec::new(),
            },
            boot,
            console: checked.manifest.console.unwrap_or(how.console),
            timeout: how.timeout,
            log_file: Some(log_file),
            log: qemu::ShowLog::Never,
            place: folder.path().to_owned(),
            capos: Some(qemu::OURSELVES.into()),
        };
        let output = Shared::default();
        let ended = qemu::run(
            &run,
            Console::without_terminal(Box::new(io::empty()), Box::new(output.clone())),
            &interrupts,
        )?;
        let log = std::fs::read_to_string(&log_path).with_context(|| log_path.display().to_string())?;
        Ok(Shown { end: ended.end, output: output.text(), log })
    }
}

/// A result line: exactly a name, a number and a unit.
fn parse(line: &str) -> Option<Measure> {
    let mut words = line.split_ascii_whitespace();
    let (name, value, unit) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (plain && words.next().is_none()).then(|| Measure::new(name, value, unit))
}

/// Nanoseconds of compiling and of instantiating in the wasm host's line `NAME: compiled in N ns, instantiated
/// in N ns`.
pub(super) fn start_time(line: &str) -> Option<(u64, u64)> {
    let (_, times) = line.split_once(": compiled in ")?;
    let (compile, instantiate) = times.split_once(" ns, instantiated in ")?;
    Some((compile.parse().ok()?, instantiate.strip_suffix(" ns")?.parse().ok()?))
}

/// Nanoseconds in a log line's `[   1.234567]`.
fn timestamp(line: &str) -> Option<u64> {
    let (stamp, _) = line.strip_prefix('[')?.split_once(']')?;
    nanoseconds(stamp.trim())
}

/// Nanoseconds in seconds with six decimals.
fn nanoseconds(seconds: &str) -> Option<u64> {
    let (seconds, microseconds) = seconds.split_once('.')?;
    let microseconds: u64 = (microseconds.len() == 6).then(|| microseconds.parse().ok())??;
    let seconds: u64 = seconds.parse().ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(microseconds * 1000)
}

/// Bytes written by the run's thread and read afterwards.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines() {
        assert_eq!(parse("null_call 31 instructions"), Some(Measure::new("null_call", 31, "instructions")));
        for line in ["", "hello", "a b c", "a 1", "a 1 b c", "a -1 b", "a: 1 b", "a 1.5 b"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn start_times() {
        let line = "[user] [wasm-host] hello: compiled in 12 ns, instantiated in 345 ns";
        assert_eq!(start_time(line), Some((12, 345)));
        for line in ["", "x", "hello: compiled in 1 ns", "hello: compiled in a ns, instantiated in 3 ns"] {
            assert_eq!(start_time(line), None, "{line}");
        }
    }

    #[test]
    fn log_times() {
        assert_eq!(timestamp("[   0.015667] x"), Some(15_667_000));
        assert_eq!(timestamp("[  12.000001] [user] x"), Some(12_000_001_000));
        let log = "[   0.015667] x\n[   5.642251] idle for 5.600001 s\n[   5.642251] power off\ncapos-exit-status: 0\n";
        assert_eq!(worked(log).ok(), Some(42_250_000));
        assert!(worked("[   5.642251] power off\n").is_err());
        for line in ["", "x", "[user] x", "[1.5] x", "[a.000001] x"] {
            assert_eq!(timestamp(line), None, "{line}");
        }
    }
}
