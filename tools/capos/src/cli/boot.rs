//! Boots a prepared system, and explains an abnormal end.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::log_file::LogFile;
use super::memory;
use super::prepare::Time;
use super::run_args::RunArgs;
use crate::elf;
use crate::image::{self, Checked};
use crate::interrupts::Interrupts;
use crate::project::Project;
use crate::qemu::{self, Boot, Console, ConsoleLine, FinishedRun, Machine, MachineEnd, Run, ShowLog};
use crate::say::say;
use crate::volumes::{self, Disks};

/// Memory of firmware and a boot loader, besides the images.
pub(super) const LEAST_FIRMWARE_MIB: u64 = 8;
/// Time limit of a program without one: eleven days, which clocks can still add to the current time.
pub(super) const FOREVER: Duration = Duration::from_secs(1_000_000);
/// The exit status of a run that timed out.
const TIMED_OUT: u8 = 124;

/// A system to boot, and its requirements.
pub(super) struct Prepared {
    pub(super) name: String,
    pub(super) boot: Boot,
    pub(super) console: ConsoleLine,
    pub(super) disks: Option<Disks>,
    pub(super) memory_mib: u64,
    /// Minimum memory for the images.
    pub(super) least_mib: u64,
    /// The default time limit.
    pub(super) time: Duration,
}

/// Context shared by all steps of a run.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) project: &'a Project,
    pub(super) args: &'a RunArgs,
    pub(super) interrupts: &'a Interrupts,
    pub(super) time: Time,
}

/// Reports that the time was over before anything was booted, and returns the exit status.
pub(super) fn never_started(time: Time) -> u8 {
    say(format_args!("ended {}, before the machine had started: raise --timeout", time.over(FOREVER)));
    TIMED_OUT
}

/// Packs `checked` into `folder` and finds its disks.
pub(super) fn prepare(
    project: &Project,
    checked: &Checked,
    folder: &Path,
    disks: &[(String, PathBuf)],
    time: Duration,
) -> Result<Prepared> {
    let disks = volumes::disks(&checked.manifest, &checked.folder, disks)?;
    disks.made.iter().for_each(say);
    let boot = image::direct_boot(project, checked, folder)?;
    let (package, least_mib) = match &boot {
        Boot::Direct { kernel, image } => {
            let package = fs::metadata(image).with_context(|| image.display().to_string())?.len();
            let kernel = fs::read(kernel).with_context(|| kernel.display().to_string())?;
            (package, memory::least_mib(elf::loaded_bytes(&kernel), package))
        }
        Boot::Iso { .. } => (0, LEAST_FIRMWARE_MIB),
    };
    let memory_mib = memory::usual_mib(&checked.manifest, &checked.images, package);
    let console = checked.manifest.console.unwrap_or(ConsoleLine::Serial);
    let name = checked.manifest.name.clone();
    Ok(Prepared { name, boot, console, disks: Some(disks), memory_mib, least_mib, time })
}

/// Boots, and reports why a run ended abnormally.
pub(super) fn boot(
    around: &Around<'_>,
    prepared: Prepared,
    memory: Option<u32>,
    log: &LogFile,
    place: &Path,
) -> Result<FinishedRun> {
    let Around { args, interrupts, time, .. } = *around;
    let memory_mib = match args.mem.or(memory) {
        Some(given) => given,
        None => u32::try_from(prepared.memory_mib).context("the images and limits need too much memory")?,
    };
    let given =
        memory::Given { mib: memory_mib, least_mib: prepared.least_mib, usual_mib: prepared.memory_mib };
    given.check(if args.mem.is_some() { "--mem" } else { "--memory" })?;
    let run = Run {
        machine: Machine {
            qemu: args.qemu.clone(),
            memory_mib,
            cpus: args.smp,
            count_instructions: args.icount,
            disks: prepared.disks.as_ref().map(|disks| disks.list.clone()).unwrap_or_default(),
            extra: args.qemu_extra.split_whitespace().map(str::to_owned).collect(),
        },
        boot: prepared.boot,
        console: prepared.console,
        timeout: time.left(prepared.time).min(FOREVER),
        log_file: Some(log.file.try_clone().context("the log's file")?),
        log: if args.verbose { ShowLog::AsItComes } else { ShowLog::AfterFailure },
        place: place.to_owned(),
        capos: Some(qemu::OURSELVES.into()),
    };
    let console = Console::of_process(args.tty).context("our standard streams")?;
    let ended = qemu::run(&run, console, interrupts)?;
    explain(&ended, &time.over(prepared.time), given);
    Ok(ended)
}

/// `over` says how long the run could take.
fn explain(ended: &FinishedRun, over: &str, memory: memory::Given) {
    let end = &ended.end;
    match end {
        MachineEnd::Status(_) | MachineEnd::Signalled(_) => {}
        MachineEnd::Panic => say("the kernel failed; its log is above"),
        MachineEnd::Reset if ended.log.is_empty() => {
            say("the machine ended before the kernel had said anything; is it QEMU that --qemu names?");
        }
        MachineEnd::Reset => say("the machine reset; the kernel log is above"),
        MachineEnd::TimedOut => say(format_args!("ended {over}: raise --timeout")),
        MachineEnd::Qemu(reason) => {
            say(reason.trim_end());
            if reason.contains("memory") || reason.contains("initrd is too large") {
                say(format_args!("the machine's memory was set to {} MiB; change it with --mem", memory.mib));
            }
        }
    }
    if !matches!(end, MachineEnd::Status(0) | MachineEnd::Signalled(_) | MachineEnd::Qemu(_))
        && let Some(line) = memory.doubt()
    {
        say(line);
    }
}
