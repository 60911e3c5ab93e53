//! The command line.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use capos_volume_tool::VolumeCommand;
use clap::{Args, Parser, Subcommand};

use crate::bench::{self, Bench};
use crate::image;
use crate::iso;
use crate::problem::BadManifest;
use crate::project::Project;
use crate::qemu::{self, Boot, Console, End, Firmware, Machine, Run, ShowLog};
use crate::volumes;

/// Builds, runs and measures capOS systems.
#[derive(Debug, Parser)]
#[command(name = "capos", version, after_help = EXAMPLES)]
struct Cli {
    /// The capOS source tree [default: the one around the manifest or the current folder]
    #[arg(long, global = true, value_name = "FOLDER")]
    root: Option<PathBuf>,
    #[command(subcommand)]
    command: Task,
}

const EXAMPLES: &str = "Examples:
  capos check manifests/ipc.cue                     report everything that is wrong with a manifest
  capos run manifests/wasi-hello-rust.cue           boot it; the guest's exit status becomes ours
  echo hello | capos run manifests/wasi-stdin.cue   its console is our standard input and output
  capos run -v --timeout 5 my.cue                   show the kernel log; give up after 5 seconds
  capos image my.cue -o my.capos                    only build the boot package

Exit statuses of `run`: the guest's own; 70 the kernel failed; 71 QEMU failed; 124 the time was over;
1 nothing was booted, for the reason given.";

const QEMU: &str = "qemu-system-x86_64";

#[derive(Debug, Subcommand)]
enum Task {
    /// Report everything that is wrong with a manifest
    Check {
        /// The manifest, a CUE file
        manifest: PathBuf,
    },
    /// Build the boot package of a manifest
    Image {
        /// The manifest, a CUE file
        manifest: PathBuf,
        /// The file to write
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Build a disc image that boots a manifest through GRUB, by BIOS or by UEFI
    Iso {
        /// The manifest, a CUE file
        manifest: PathBuf,
        /// The file to write
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Boot a manifest in QEMU and exit with the guest's exit status
    Run(RunArgs),
    /// Make volume images, and move files in and out of them
    #[command(subcommand)]
    Volume(VolumeCommand),
    /// Measure, and print `name value unit` lines
    Bench {
        /// Also rewrite the table of results in this document, such as docs/benchmarks.md
        #[arg(long, value_name = "FILE")]
        write: Option<PathBuf>,
        /// The QEMU command
        #[arg(long, default_value = QEMU, value_name = "COMMAND")]
        qemu: PathBuf,
    },
}

#[derive(Debug, Args)]
struct RunArgs {
    /// The manifest, a CUE file
    #[arg(required_unless_present = "iso", conflicts_with = "iso")]
    manifest: Option<PathBuf>,
    /// Boot this disc image instead of a manifest
    #[arg(long, value_name = "FILE")]
    iso: Option<PathBuf>,
    /// What boots the disc image
    #[arg(long, value_enum, default_value = "bios", requires = "iso")]
    firmware: Firmware,
    /// End the run after this many seconds
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
    /// Memory in MiB
    #[arg(long, visible_alias = "memory", default_value_t = 128, value_name = "MIB", value_parser = mebibytes)]
    mem: u32,
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
    disks: Vec<(String, PathBuf)>,
    /// Let the clock advance with instructions executed: exact, repeatable, slower
    #[arg(long)]
    icount: bool,
    /// Show the kernel log on standard error as it comes
    #[arg(short, long)]
    verbose: bool,
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match perform(&cli) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// Problems with a manifest already begin with its name; all else is ours.
fn report(error: &anyhow::Error) {
    let mut stderr = io::stderr().lock();
    let written = match error.downcast_ref::<BadManifest>() {
        Some(bad) => writeln!(stderr, "{bad}"),
        None => writeln!(stderr, "capos: {error:#}"),
    };
    // The exit status still tells when standard error is closed.
    drop(written);
}

fn perform(cli: &Cli) -> Result<u8> {
    match &cli.command {
        Task::Volume(command) => {
            capos_volume_tool::run(command.clone())?;
            Ok(0)
        }
        Task::Check { manifest } => {
            image::check(&project(cli, Some(manifest))?, manifest)?;
            Ok(0)
        }
        Task::Image { manifest, output } => {
            let package = image::build(&image::check(&project(cli, Some(manifest))?, manifest)?)?;
            fs::write(output, package).with_context(|| output.display().to_string())?;
            Ok(0)
        }
        Task::Iso { manifest, output } => {
            let project = project(cli, Some(manifest))?;
            let checked = image::check(&project, manifest)?;
            iso::make(&image::kernel(&project)?, &image::build(&checked)?, output)?;
            Ok(0)
        }
        Task::Run(args) => run(cli, args),
        Task::Bench { write, qemu } => {
            bench(&project(cli, None)?, qemu, write.as_deref())?;
            Ok(0)
        }
    }
}

fn project(cli: &Cli, manifest: Option<&Path>) -> Result<Project> {
    Project::find(cli.root.as_deref(), manifest.and_then(Path::parent))
}

fn run(cli: &Cli, args: &RunArgs) -> Result<u8> {
    ensure!(
        args.timeout > 0 && args.mem > 0 && args.smp > 0,
        "--timeout, --mem and --smp must be at least 1"
    );
    let project = project(cli, args.manifest.as_deref())?;
    let folder = tempfile::Builder::new().prefix("capos-").tempdir().context("a temporary folder")?;
    let mut disks = None;
    let (name, boot) = match (&args.manifest, &args.iso) {
        (Some(manifest), _) => {
            let checked = image::check(&project, manifest)?;
            disks = Some(volumes::disks(&checked.manifest, &checked.folder, &args.disks)?);
            let boot = image::direct_boot(&project, &checked, folder.path())?;
            (checked.manifest.name, boot)
        }
        (None, Some(iso)) => {
            ensure!(iso.is_file(), "{}: no such file", iso.display());
            let name = iso.file_stem().unwrap_or(iso.as_os_str()).to_string_lossy().into_owned();
            (name, Boot::Iso { file: iso.clone(), firmware: args.firmware })
        }
        (None, None) => bail!("neither a manifest nor a disc image was given"),
    };
    let log_file = args.log.clone().unwrap_or_else(|| project.log(&name));
    let run = Run {
        machine: Machine {
            qemu: args.qemu.clone(),
            memory_mib: args.mem,
            cpus: args.smp,
            count_instructions: args.icount,
            disks: disks.as_ref().map(|disks| disks.list.clone()).unwrap_or_default(),
            extra: args.qemu_extra.split_whitespace().map(str::to_owned).collect(),
        },
        boot,
        timeout: Duration::from_secs(args.timeout),
        log_file: Some(log_file),
        log: if args.verbose { ShowLog::AsItComes } else { ShowLog::AfterFailure },
    };
    let end = qemu::run(&run, Console { input: Box::new(io::stdin()), output: Box::new(io::stdout()) })?;
    explain(&end, args.timeout);
    Ok(end.exit_status())
}

fn bench(project: &Project, qemu: &Path, document: Option<&Path>) -> Result<()> {
    let mut failures = 0;
    let measures = Bench { project, qemu }.run(|found| match found {
        Ok(measures) => {
            for measure in measures {
                println!("{} {} {}", measure.name, measure.value, measure.unit);
            }
        }
        Err(error) => {
            report(error);
            failures += 1;
        }
    })?;
    if let Some(path) = document {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let text =
            bench::rewrite(&text, &measures).map_err(|reason| anyhow!("{}: {reason}", path.display()))?;
        fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    ensure!(failures == 0, "{failures} of the measurements failed");
    Ok(())
}

/// Says why a run that did not end regularly ended.
fn explain(end: &End, timeout: u64) {
    match end {
        End::Status(_) | End::Signalled(_) => {}
        End::Panic => eprintln!("capos: the kernel failed; its log is above"),
        End::Reset => eprintln!("capos: the machine reset; the kernel log is above"),
        End::TimedOut => {
            eprintln!("capos: the guest was ended after {timeout} seconds; the kernel log is above")
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

/// A number of MiB; `64M` means the same as `64`.
fn mebibytes(text: &str) -> Result<u32, String> {
    text.strip_suffix(['M', 'm'])
        .unwrap_or(text)
        .parse()
        .map_err(|_| "not a number of MiB, such as 64".to_owned())
}
