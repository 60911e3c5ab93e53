//! `capos run`: selects what boots, on which machine, and reports the end.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use clap::Args;

use super::amounts::{count, duration, machine_memory};
use super::ending;
use super::log_file::{self, LogFile};
use super::memory;
use super::prepare::{Time, within};
use super::program::{self, ProgramArgs};
use super::what::{What, classify};
use super::{BadUsage, Cli, QEMU, project};
use crate::elf;
use crate::image::{self, Checked};
use crate::inspect::MOST_MODULE_BYTES;
use crate::interrupts::Interrupts;
use crate::iso;
use crate::project::Project;
use crate::qemu::{self, Boot, Console, ConsoleLine, End, Ended, Firmware, Machine, Run, ShowLog, Tty};
use crate::say::say;
use crate::volumes::{self, Disks};
use crate::workplace::Workplace;

/// The default time limit of a manifest.
const MANIFEST_TIME: Duration = Duration::from_secs(60);
/// Memory of firmware and a boot loader, besides the images.
const LEAST_FIRMWARE_MIB: u64 = 8;
/// Maximum number of processors in QEMU.
const MOST_PROCESSORS: u64 = 255;
/// Time limit of a program without one: eleven days, which clocks can still add to the current time.
pub(super) const FOREVER: Duration = Duration::from_secs(1_000_000);
/// The part of a stream that decides whether it is a module.
const MOST_LOOKED_AT: u64 = 64 << 10;
/// The exit status of a run that timed out.
const TIMED_OUT: u8 = 124;

#[derive(Debug, Clone, Args)]
#[command(after_long_help = program::HELP, args_override_self = true)]
pub(super) struct RunArgs {
    /// Manifest (a CUE file) or WebAssembly program to boot; `-` reads a program from standard input
    #[arg(value_name = "MANIFEST or PROGRAM.wasm", required_unless_present = "iso", conflicts_with = "iso")]
    pub(super) what: Option<PathBuf>,
    /// Boot this disc image instead of a manifest
    #[arg(long, value_name = "FILE")]
    iso: Option<PathBuf>,
    /// Firmware that boots the disc image [default: bios]
    #[arg(long, value_enum)]
    firmware: Option<Firmware>,
    /// End the run after this time, including its preparation, such as 5min; a plain number is seconds [default: 60 for a
    /// manifest, unlimited for a program]
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_negative_numbers = true)]
    timeout: Option<Duration>,
    /// The machine's memory, such as 256MiB; a plain number is MiB [default: 128, or as much as the images and limits
    /// need]
    #[arg(long, value_name = "SIZE", value_parser = machine_memory, allow_negative_numbers = true)]
    mem: Option<u32>,
    /// The program's linear memory, such as 64MiB; with a manifest the same as --mem
    #[arg(long, value_name = "SIZE", allow_negative_numbers = true)]
    pub(super) memory: Option<String>,
    /// Number of processors
    #[arg(long, default_value = "1", value_name = "COUNT", value_parser = count::<u32>(MOST_PROCESSORS), allow_negative_numbers = true)]
    smp: u32,
    /// Additional arguments for QEMU, separated by spaces
    #[arg(long, default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    qemu_extra: String,
    /// The QEMU command
    #[arg(long, default_value = QEMU, value_name = "COMMAND")]
    qemu: PathBuf,
    /// File for the kernel log; must be new or an earlier log [default: build/log/NAME.log]
    #[arg(long, value_name = "FILE")]
    pub(super) log: Option<PathBuf>,
    /// Use this file for a disk volume of the manifest, instead of the one that it names
    #[arg(long = "disk", value_name = "NAME=FILE", value_parser = disk_file)]
    pub(super) disks: Vec<(String, PathBuf)>,
    /// Transport of the console [default: virtio; for a disc image, the one it was made for]
    #[arg(long, value_enum, value_name = "LINE")]
    console: Option<ConsoleLine>,
    /// Which streams are terminals for the guest: all, none, or some of stdin,stdout,stderr [default: those that are
    /// on the host]
    #[arg(long, value_name = "STREAMS")]
    tty: Option<Tty>,
    /// Advance the clock with executed instructions: exact, repeatable, slower
    #[arg(long)]
    icount: bool,
    /// Show the kernel log on standard error as it is written
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    pub(super) program: ProgramArgs,
}

impl RunArgs {
    /// The transport of the consoles of a manifest or program, unless the manifest states it.
    pub(super) fn line(&self) -> ConsoleLine {
        self.console.unwrap_or_default()
    }
}

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

pub(super) fn run(cli: &Cli, args: &RunArgs) -> Result<u8> {
    let time = Time::begin(args.timeout);
    if args.firmware.is_some() && args.iso.is_none() {
        let reason =
            "--firmware: only for a disc image (--iso); manifests and programs boot without firmware";
        return Err(BadUsage(reason.to_owned()).into());
    }
    let project = project(cli, args.what.as_deref())?;
    if let Some(log) = &args.log {
        log_file::check(log)?;
    }
    let (interrupts, workplace) = (Interrupts::take()?, Workplace::make()?);
    interrupts.remove(workplace.path().to_owned());
    let around = Around { project: &project, args, interrupts: &interrupts, time };
    let what = args.what.as_deref().map(|what| readable(what, workplace.path())).transpose()?;
    let kind = what.as_deref().map(|what| named(classify(what), what, args.what.as_deref())).transpose()?;
    match &what {
        Some(what) if kind == Some(What::Program) => return program::run(&around, workplace, what),
        _ => args.program.refuse()?,
    }
    let mut booted = None;
    let prepared = match (&what, &args.iso) {
        (Some(manifest), _) => {
            let (project, manifest, disks) = (project.clone(), manifest.clone(), args.disks.clone());
            let (place, line) = (workplace.path().to_owned(), args.line());
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
            ensure!(iso.is_file(), "--iso {}: no such file", iso.display());
            if !iso::is_disc(iso)? {
                let shown = iso.display();
                let runs = if classify(iso).is_ok() {
                    format!("; `capos run {shown}` runs it as it is")
                } else {
                    String::new()
                };
                bail!(
                    "--iso {shown}: not a disc image (ISO 9660); `capos iso MANIFEST -o FILE` makes one{runs}"
                );
            }
            let name = iso.file_stem().unwrap_or(iso.as_os_str()).to_string_lossy().into_owned();
            let boot = Boot::Iso { file: iso.clone(), firmware: args.firmware.unwrap_or(Firmware::Bios) };
            let on_disc = iso::console(iso);
            if args.console.is_some() && on_disc.is_some() && args.console != on_disc {
                say(format_args!(
                    "--console: {} was made for another console; omit the option to use its own",
                    iso.display()
                ));
            }
            let console = args.console.or(on_disc).unwrap_or(ConsoleLine::Serial);
            let time = MANIFEST_TIME;
            let (memory_mib, least_mib) = (memory::USUAL_MIB, LEAST_FIRMWARE_MIB);
            Prepared { name, boot, console, disks: None, memory_mib, least_mib, time }
        }
        (None, None) => bail!("neither a manifest nor a disc image was given"),
    };
    let memory = args
        .memory
        .as_deref()
        .map(machine_memory)
        .transpose()
        .map_err(|reason| anyhow!("--memory: {reason}"))?;
    let log = LogFile::open(&project, args.log.as_deref(), &prepared.name)?;
    let ended = boot(&around, prepared, memory, &log, workplace.path())?;
    let mut reasons = Vec::new();
    if let Some((manifest, behind)) = &booted {
        reasons = match ended.end {
            End::Status(1..) => ending::reasons(manifest, &ended.log, behind),
            End::Status(0) => ending::unheard(manifest, &ended.log),
            End::TimedOut => ending::unfinished(manifest, &ended.log).into_iter().collect(),
            _ => Vec::new(),
        };
        reasons.iter().for_each(say);
    }
    if ended.exit_status() == 0 || reasons.is_empty() {
        log.end(ended.exit_status());
    } else {
        log.tell();
    }
    Ok(ended.exit_status())
}

/// Context shared by all steps of a run.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) project: &'a Project,
    pub(super) args: &'a RunArgs,
    pub(super) interrupts: &'a Interrupts,
    pub(super) time: Time,
}

/// Rewrites an error about `copy` to name the original, if that is another file.
fn named<T>(result: Result<T>, copy: &Path, original: Option<&Path>) -> Result<T> {
    let Some(original) = original.filter(|original| *original != copy) else { return result };
    let shown = if original == Path::new("-") { "standard input".into() } else { original.to_string_lossy() };
    result.map_err(|error| anyhow!(format!("{error:#}").replace(&*copy.to_string_lossy(), &shown)))
}

/// The file to boot. An input that can be read only once, such as standard input (`-`) or a pipe, is copied into
/// `place`.
fn readable(what: &Path, place: &Path) -> Result<PathBuf> {
    let about = || what.display().to_string();
    let copied = place.join("stdin.wasm");
    let mut from: Box<dyn io::Read> = if what == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let Ok(meta) = fs::metadata(what) else { return Ok(what.to_owned()) };
        if meta.is_file() || meta.is_dir() {
            return Ok(what.to_owned());
        }
        Box::new(File::open(what).with_context(about)?)
    };
    let mut to = File::create_new(&copied).with_context(|| copied.display().to_string())?;
    copy_module(&mut *from, &mut to).with_context(about)?;
    Ok(copied)
}

/// Copies a stream that may be without end: of one that is no module, as much as tells what it is; of a module, one byte
/// more than the largest has, so that its size is refused as that of a file is.
fn copy_module(from: &mut dyn io::Read, to: &mut dyn io::Write) -> io::Result<()> {
    const MAGIC: [u8; 4] = *b"\0asm";
    let mut start = Vec::new();
    from.take(MOST_LOOKED_AT).read_to_end(&mut start)?;
    to.write_all(&start)?;
    if start.starts_with(&MAGIC) {
        let more = (MOST_MODULE_BYTES + 1).saturating_sub(start.len() as u64);
        io::copy(&mut from.take(more), to)?;
    }
    Ok(())
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
) -> Result<Ended> {
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
fn explain(ended: &Ended, over: &str, memory: memory::Given) {
    let end = &ended.end;
    match end {
        End::Status(_) | End::Signalled(_) => {}
        End::Panic => say("the kernel failed; its log is above"),
        End::Reset if ended.log.is_empty() => {
            say("the machine ended before the kernel had said anything; is it QEMU that --qemu names?");
        }
        End::Reset => say("the machine reset; the kernel log is above"),
        End::TimedOut => say(format_args!("ended {over}: raise --timeout")),
        End::Qemu(reason) => {
            say(reason.trim_end());
            if reason.contains("memory") || reason.contains("initrd is too large") {
                say(format_args!("the machine's memory was set to {} MiB; change it with --mem", memory.mib));
            }
        }
    }
    if !matches!(end, End::Status(0) | End::Signalled(_) | End::Qemu(_))
        && let Some(line) = memory.doubt()
    {
        say(line);
    }
}

/// `NAME=FILE`.
fn disk_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), file.into())),
        _ => Err("expected NAME=FILE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(start: &[u8], rest: impl io::Read) -> u64 {
        struct Count(u64);
        impl io::Write for Count {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 += bytes.len() as u64;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut count = Count(0);
        copy_module(&mut start.chain(rest), &mut count).unwrap();
        count.0
    }

    #[test]
    fn a_stream_without_end_is_not_copied_without_end() {
        assert_eq!(copied(b"", io::repeat(0)), MOST_LOOKED_AT);
        assert_eq!(copied(b"y\n", io::repeat(b'y')), MOST_LOOKED_AT);
        assert_eq!(copied(b"\0asm", io::repeat(0)), MOST_MODULE_BYTES + 1);
        assert_eq!(copied(b"\0asm", &[0; 100][..]), 104);
        assert_eq!(copied(b"", io::empty()), 0);
    }
}
