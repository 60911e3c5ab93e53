//! `capos run`: selects what boots, on which machine, and reports the end.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use super::amounts::machine_memory;
use super::boot::{Around, LEAST_FIRMWARE_MIB, Prepared, boot, never_started, prepare};
use super::ending;
use super::log_file::{self, LogFile};
use super::memory;
use super::prepare::{Time, within};
use super::program;
use super::run_args::RunArgs;
use super::what::{What, classify};
use super::{BadUsage, Cli, project};
use crate::image;
use crate::inspect::MOST_MODULE_BYTES;
use crate::interrupts::Interrupts;
use crate::iso;
use crate::qemu::{Boot, ConsoleLine, Firmware, MachineEnd};
use crate::say::say;
use crate::volumes;
use crate::workplace::Workplace;

/// The default time limit of a manifest.
const MANIFEST_TIME: Duration = Duration::from_secs(60);
/// The part of a stream that decides whether it is a module.
const MOST_LOOKED_AT: u64 = 64 << 10;

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
        Some(what) if kind == Some(What::Program) => {
            return named(program::run(&around, workplace, what), what, args.what.as_deref());
        }
        _ => args.program.refuse()?,
    }
    let mut booted = None;
    let prepared = match (&what, &args.iso) {
        (Some(manifest), _) => {
            let (project, manifest, disks) = (project.clone(), manifest.clone(), args.disks.clone());
            let (place, line) = (workplace.path().to_owned(), args.line());
            let engine = args.program.engine();
            let work = move || {
                let checked = image::check_to_run(&project, &manifest, line, &disks, engine)?;
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
            MachineEnd::Status(1..) => ending::reasons(manifest, &ended.log, behind),
            MachineEnd::Status(0) => ending::unheard(manifest, &ended.log),
            MachineEnd::TimedOut => ending::unfinished(manifest, &ended.log).into_iter().collect(),
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

/// Rewrites an error about `copy` to name the original, if that is another file.
fn named<T>(result: Result<T>, copy: &Path, original: Option<&Path>) -> Result<T> {
    let Some(original) = original.filter(|original| *original != copy) else { return result };
    let shown = if original == Path::new("-") { "standard input".into() } else { original.to_string_lossy() };
    result.map_err(|error| match error.is::<BadUsage>() {
        true => error,
        false => anyhow!(format!("{error:#}").replace(&*copy.to_string_lossy(), &shown)),
    })
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
    if copy_module(&mut *from, &mut to).with_context(about)? {
        let named = copied.with_extension("wat");
        fs::rename(&copied, &named).with_context(|| named.display().to_string())?;
        return Ok(named);
    }
    Ok(copied)
}

/// Whether a stream that begins with `start` is taken for WebAssembly text, which a file tells by its name.
fn is_text(start: &[u8]) -> bool {
    let start = start.trim_ascii_start();
    start.starts_with(b"(module") || start.starts_with(b";;") || start.starts_with(b"(;")
}

/// Copies a stream that may be without end: of one that is no module, as much as tells what it is; of a module, one byte
/// more than the largest has, so that its size is refused as that of a file is. Returns whether it is text.
fn copy_module(from: &mut dyn io::Read, to: &mut dyn io::Write) -> io::Result<bool> {
    let mut start = Vec::new();
    from.take(MOST_LOOKED_AT).read_to_end(&mut start)?;
    to.write_all(&start)?;
    let is_text = is_text(&start);
    if start.starts_with(b"\0asm") || is_text {
        let more = (MOST_MODULE_BYTES + 1).saturating_sub(start.len() as u64);
        io::copy(&mut from.take(more), to)?;
    }
    Ok(is_text)
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
        assert_eq!(copied(b"(module", io::repeat(b' ')), MOST_MODULE_BYTES + 1);
        assert_eq!(copied(b"\0asm", &[0; 100][..]), 104);
        assert_eq!(copied(b";; text\n", &[b' '; 100][..]), 108);
        assert_eq!(copied(b"", io::empty()), 0);
    }
}
