//! `capos run`: what boots, on which machine, and what is said about the end.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use super::ending;
use super::prepare::{self, Time, within};
use super::program::{self, ProgramArgs};
use super::what::{What, classify};
use super::{Cli, QEMU, project};
use crate::image::{self, Checked};
use crate::manifest::{Manifest, VolumeSource, size_of};
use crate::project::Project;
use crate::qemu::{self, Boot, Console, ConsoleLine, End, Ended, Firmware, Machine, Run, ShowLog, Tty};
use crate::volumes::{self, Disks};

/// Without another choice: how long a manifest may run, and MiB of memory it runs in.
const MANIFEST_TIME: Duration = Duration::from_secs(60);
const LEAST_MEMORY_MIB: u64 = 128;
/// A program without a limit has this long, eleven days, which clocks can still add to now.
pub(super) const FOREVER: Duration = Duration::from_secs(1_000_000);
/// The exit status of a run whose time was over.
const TIMED_OUT: u8 = 124;

#[derive(Debug, Clone, Args)]
#[command(after_long_help = program::HELP)]
pub(super) struct RunArgs {
    /// What to boot: a manifest (a CUE file), or any WebAssembly program
    #[arg(value_name = "MANIFEST or PROGRAM.wasm", required_unless_present = "iso", conflicts_with = "iso")]
    pub(super) what: Option<PathBuf>,
    /// Boot this disc image instead of a manifest
    #[arg(long, value_name = "FILE")]
    iso: Option<PathBuf>,
    /// What boots the disc image
    #[arg(long, value_enum, default_value = "bios", requires = "iso")]
    firmware: Firmware,
    /// End the run after so many seconds, its preparation included [default: 60 for a manifest, never for a program]
    #[arg(long, value_name = "SECONDS", value_parser = prepare::seconds)]
    timeout: Option<Duration>,
    /// The machine's memory, such as 256MiB; a number alone is MiB [default: 128, or what the images and limits need]
    #[arg(long, value_name = "SIZE", value_parser = mebibytes)]
    mem: Option<u32>,
    /// The program's linear memory, such as 64MiB; with a manifest the same as --mem
    #[arg(long, value_name = "SIZE")]
    pub(super) memory: Option<String>,
    /// Processors
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    smp: u32,
    /// More arguments for QEMU, separated by spaces
    #[arg(long, default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    qemu_extra: String,
    /// The QEMU command
    #[arg(long, default_value = QEMU, value_name = "COMMAND")]
    qemu: PathBuf,
    /// Where the kernel log goes [default: build/log/NAME.log]
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Use this file for a disk volume of the manifest, in place of the one that it names
    #[arg(long = "disk", value_name = "NAME=FILE", value_parser = disk_file)]
    pub(super) disks: Vec<(String, PathBuf)>,
    /// What the console comes over [default: virtio; for a disc image, serial]
    #[arg(long, value_enum, value_name = "LINE")]
    console: Option<ConsoleLine>,
    /// Which streams are terminals for the guest: all, none, or some of stdin,stdout,stderr [default: those that are]
    #[arg(long, value_name = "STREAMS")]
    tty: Option<Tty>,
    /// Let the clock advance with instructions executed: exact, repeatable, slower
    #[arg(long)]
    icount: bool,
    /// Show the kernel log on standard error as it comes
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    pub(super) program: ProgramArgs,
}

impl RunArgs {
    /// What the consoles of a manifest or program come over, unless a manifest says so itself.
    pub(super) fn line(&self) -> ConsoleLine {
        self.console.unwrap_or_default()
    }
}

/// What is booted, and what it needs.
pub(super) struct Prepared {
    pub(super) name: String,
    pub(super) boot: Boot,
    pub(super) console: ConsoleLine,
    pub(super) disks: Option<Disks>,
    pub(super) memory_mib: u64,
    /// How long it may run if the user does not say.
    pub(super) time: Duration,
}

pub(super) fn run(cli: &Cli, args: &RunArgs) -> Result<u8> {
    let given = [args.mem, Some(args.smp)];
    ensure!(given.into_iter().flatten().all(|number| number > 0), "--mem and --smp must be at least 1");
    let time = Time::begin(args.timeout);
    let project = project(cli, args.what.as_deref())?;
    let kind = args.what.as_deref().map(classify).transpose()?;
    match &args.what {
        Some(what) if kind == Some(What::Program) => return program::run(&project, args, what, time),
        _ => args.program.refuse()?,
    }
    let folder = tempfile::Builder::new().prefix("capos-").tempdir().context("a temporary folder")?;
    let mut booted = None;
    let prepared = match (&args.what, &args.iso) {
        (Some(manifest), _) => {
            let (project, manifest, disks) = (project.clone(), manifest.clone(), args.disks.clone());
            let (place, line) = (folder.path().to_owned(), args.line());
            let work = move || {
                let checked = image::check_to_run(&project, &manifest, line, &disks)?;
                let prepared = prepare(&project, &checked, &place, &disks, MANIFEST_TIME)?;
                let behind = volumes::behind(&checked.manifest, &checked.folder, &disks);
                Ok((prepared, (checked.manifest, behind)))
            };
            let Some((prepared, of_manifest)) = within(time, work)? else { return Ok(never_started(time)) };
            booted = Some(of_manifest);
            prepared
        }
        (None, Some(iso)) => {
            ensure!(iso.is_file(), "{}: no such file", iso.display());
            let name = iso.file_stem().unwrap_or(iso.as_os_str()).to_string_lossy().into_owned();
            let boot = Boot::Iso { file: iso.clone(), firmware: args.firmware };
            let console = args.console.unwrap_or(ConsoleLine::Serial);
            let time = MANIFEST_TIME;
            Prepared { name, boot, console, disks: None, memory_mib: LEAST_MEMORY_MIB, time }
        }
        (None, None) => bail!("neither a manifest nor a disc image was given"),
    };
    let memory = args
        .memory
        .as_deref()
        .map(mebibytes)
        .transpose()
        .map_err(|reason| anyhow::anyhow!("--memory: {reason}"))?;
    let log = log_file(&project, args, &prepared.name);
    let ended = boot(&project, args, prepared, memory, time)?;
    if let (Some((manifest, behind)), End::Status(status)) = (&booted, &ended.end)
        && *status != 0
    {
        let reasons = ending::reasons(manifest, &ended.log, behind);
        for reason in &reasons {
            eprintln!("capos: {reason}");
        }
        if !reasons.is_empty() {
            // From the folder in which the command was given, so that the path can be used there.
            let here = env::current_dir().unwrap_or_default();
            eprintln!("capos: the log of the run is {}", log.strip_prefix(here).unwrap_or(&log).display());
        }
    }
    Ok(ended.end.exit_status())
}

/// Where the kernel log of the run called `name` goes.
fn log_file(project: &Project, args: &RunArgs, name: &str) -> PathBuf {
    args.log.clone().unwrap_or_else(|| project.log(name))
}

/// Says that the time was over before anything was booted, and returns the exit status.
pub(super) fn never_started(time: Time) -> u8 {
    let seconds = time.total(FOREVER).as_secs_f64();
    eprintln!("capos: the time was over after {seconds} seconds, before the machine had started");
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
    let boot = image::direct_boot(project, checked, folder)?;
    let package = match &boot {
        Boot::Direct { image, .. } => fs::metadata(image).with_context(|| image.display().to_string())?.len(),
        Boot::Iso { .. } => 0,
    };
    let bytes = package + ram_volume_bytes(&checked.manifest);
    // Packages of the usual size fit as they are.
    let more = if bytes > 32 << 20 { bytes >> 20 } else { 0 };
    let memory_mib = LEAST_MEMORY_MIB + more;
    let console = checked.manifest.console.unwrap_or(ConsoleLine::Serial);
    let name = checked.manifest.name.clone();
    Ok(Prepared { name, boot, console, disks: Some(disks), memory_mib, time })
}

fn ram_volume_bytes(manifest: &Manifest) -> u64 {
    let sizes = manifest.volumes.iter().map(|volume| match volume.source {
        VolumeSource::Ram(bytes) => bytes,
        VolumeSource::Files(_) | VolumeSource::Disk(_) => 0,
    });
    sizes.fold(0, u64::saturating_add)
}

/// Boots, and says why a run that did not end regularly ended.
pub(super) fn boot(
    project: &Project,
    args: &RunArgs,
    prepared: Prepared,
    memory: Option<u32>,
    time: Time,
) -> Result<Ended> {
    let memory_mib = match args.mem.or(memory) {
        Some(given) => given,
        None => u32::try_from(prepared.memory_mib).context("the images and limits need too much memory")?,
    };
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
        log_file: Some(log_file(project, args, &prepared.name)),
        log: if args.verbose { ShowLog::AsItComes } else { ShowLog::AfterFailure },
    };
    let console = Console::of_process(args.tty).context("our standard streams")?;
    let ended = qemu::run(&run, console)?;
    explain(&ended.end, time.total(prepared.time));
    Ok(ended)
}

fn explain(end: &End, timeout: Duration) {
    match end {
        End::Status(_) | End::Signalled(_) => {}
        End::Panic => eprintln!("capos: the kernel failed; its log is above"),
        End::Reset => eprintln!("capos: the machine reset; the kernel log is above"),
        End::TimedOut => {
            let seconds = timeout.as_secs_f64();
            eprintln!("capos: the guest was ended after {seconds} seconds; the kernel log is above")
        }
        End::Qemu(reason) => eprintln!("capos: {}", reason.trim_end()),
    }
}

/// `NAME=FILE`.
fn disk_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), file.into())),
        _ => Err("not of the form NAME=FILE".to_owned()),
    }
}

/// A size in MiB, rounded up; a number alone is one of MiB.
fn mebibytes(text: &str) -> Result<u32, String> {
    let bytes = match text.parse::<u32>() {
        Ok(mebibytes) => u64::from(mebibytes) << 20,
        Err(_) => size_of(text)?,
    };
    u32::try_from(bytes.div_ceil(1 << 20)).map_err(|_| format!("{text:?} is too large"))
}
