//! The command line.

mod amounts;
#[cfg(test)]
mod documented;
mod ending;
mod limits;
mod log_file;
mod prepare;
mod program;
mod run;
mod what;
mod words;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};

use anyhow::{Context as _, Result, anyhow, ensure};
use capos_volume_tool::VolumeCommand;
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::bench::{self, Bench};
use crate::image;
use crate::inspect;
use crate::iso;
use crate::problem::BadManifest;
use crate::project::{Profile, Project};
use crate::qemu::{self, ConsoleLine};
use crate::say::{print, say, say_as_it_is};
use what::only_manifest;

/// Builds, runs and measures capOS systems.
#[derive(Debug, Parser)]
#[command(name = "capos", version, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    /// The capOS source tree [default: the one around the manifest or the current folder]
    #[arg(long, global = true, value_name = "FOLDER")]
    root: Option<PathBuf>,
    /// How the kernel and native programs to use were compiled: `make PROFILE=...`
    #[arg(long, global = true, value_enum, default_value_t)]
    profile: Profile,
    #[command(subcommand)]
    command: Task,
}

const EXAMPLES: &str = "Examples:
  capos check manifests/ipc.cue                     report everything that is wrong with a manifest
  capos run manifests/wasi-hello-rust.cue           boot it; the guest's exit status becomes ours
  echo hello | capos run manifests/wasi-stdin.cue   its console is our standard input and output
  capos run -v --timeout 5 my.cue                   show the kernel log; give up after 5 seconds
  capos run --dir . app.wasm one two                run any WASI program with what it is given here
  capos run --invoke fib lib.wasm 10                call one function of a module, and print what it returns
  capos inspect app.wasm                            what it imports and what grants that, exports, proposals, sizes
  capos image my.cue -o my.capos                    only build the boot package

Exit statuses of `run`: the guest's own; 70 the kernel failed; 71 QEMU failed; 124 the time was over;
1 nothing was booted, or something could not be written, for the reason given.";

/// The exit status for a command line that cannot be read, which is also clap's.
const BAD_USAGE: i32 = 2;
const QEMU: &str = "qemu-system-x86_64";

#[derive(Debug, Subcommand)]
enum Task {
    /// Report everything that is wrong with a manifest
    Check {
        /// The manifest, a CUE file
        manifest: PathBuf,
    },
    /// List the programs of this tree that a manifest names: `native NAME` and `module NAME` lines
    Needs {
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
        /// Replace the file if there is one
        #[arg(long)]
        force: bool,
        /// What the console comes over; whatever runs the result has to know
        #[arg(long, value_enum, default_value = "serial", value_name = "LINE")]
        console: ConsoleLine,
    },
    /// Build a disc image that boots a manifest through GRUB, by BIOS or by UEFI
    Iso {
        /// The manifest, a CUE file
        manifest: PathBuf,
        /// The file to write
        #[arg(short, long)]
        output: PathBuf,
        /// Replace the file if there is one
        #[arg(long)]
        force: bool,
        /// What the console comes over; whatever runs the result has to know
        #[arg(long, value_enum, default_value = "serial", value_name = "LINE")]
        console: ConsoleLine,
    },
    /// Tell what a WebAssembly file imports, exports and uses, and what grants what it needs
    Inspect {
        /// A module, in binary or text form (.wat), or a component
        file: PathBuf,
        /// For programs: as JSON
        #[arg(long)]
        json: bool,
    },
    /// Boot a manifest or a WebAssembly program in QEMU and exit with the guest's exit status
    Run(Box<run::RunArgs>),
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

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let words: Vec<_> = env::args_os().collect();
    if let Some(status) = qemu::become_tied(&words) {
        return ExitCode::from(status);
    }
    let cli = match words::arrange(&mut Cli::command(), words) {
        Ok(words) => parse(words),
        Err(reason) => {
            report(&anyhow!(reason));
            return ExitCode::FAILURE;
        }
    };
    match perform(&cli) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// As clap does it, but what is not UTF-8 is named.
fn parse(words: Vec<OsString>) -> Cli {
    Cli::try_parse_from(&words).unwrap_or_else(|error| {
        if error.kind() == ErrorKind::InvalidUtf8 {
            let strange = words.iter().filter(|word| word.to_str().is_none());
            let strange: Vec<_> = strange.map(|word| word.display().to_string()).collect();
            say(format_args!(
                "not UTF-8, as options and what a program is given must be: {}",
                strange.join(", ")
            ));
            process::exit(BAD_USAGE);
        }
        error.exit()
    })
}

/// Problems with a manifest already begin with its name; all else is ours.
fn report(error: &anyhow::Error) {
    match error.downcast_ref::<BadManifest>() {
        Some(bad) => say_as_it_is(bad),
        None => say(format_args!("{error:#}")),
    }
}

fn perform(cli: &Cli) -> Result<u8> {
    match &cli.command {
        Task::Volume(command) => {
            capos_volume_tool::run(command.clone())?;
            Ok(0)
        }
        Task::Check { manifest } => {
            only_manifest(manifest, "check")?;
            image::check_to_run(&project(cli, Some(manifest))?, manifest, ConsoleLine::default(), &[])?;
            Ok(0)
        }
        Task::Needs { manifest } => {
            only_manifest(manifest, "needs")?;
            for (kind, name) in image::needs(&project(cli, Some(manifest))?, manifest)? {
                print(format_args!("{} {name}\n", kind.word()))?;
            }
            Ok(0)
        }
        Task::Image { manifest, output, force, console } => {
            only_manifest(manifest, "image")?;
            check_new(output, *force)?;
            let package = image::build(&image::check(&project(cli, Some(manifest))?, manifest, *console)?)?;
            fs::write(output, package).with_context(|| output.display().to_string())?;
            Ok(0)
        }
        Task::Iso { manifest, output, force, console } => {
            only_manifest(manifest, "iso")?;
            check_new(output, *force)?;
            let project = project(cli, Some(manifest))?;
            let checked = image::check(&project, manifest, *console)?;
            iso::make(&image::kernel(&project)?, &image::build(&checked)?, output)?;
            Ok(0)
        }
        Task::Inspect { file, json } => {
            let inspected = inspect::inspect_file(file)?;
            let text = match json {
                true => format!("{:#}\n", inspected.json()),
                false => inspected.text(&file.display().to_string()),
            };
            print(text)?;
            Ok(u8::from(inspected.invalid.is_some()))
        }
        Task::Run(args) => run::run(cli, args),
        Task::Bench { write, qemu } => {
            bench(&project(cli, None)?, qemu, write.as_deref())?;
            Ok(0)
        }
    }
}

/// What exists is not overwritten without being told.
fn check_new(output: &Path, force: bool) -> Result<()> {
    let is_there = output.symlink_metadata().is_ok_and(|meta| meta.is_file() || meta.is_symlink());
    ensure!(force || !is_there, "{} exists already; --force replaces it", output.display());
    Ok(())
}

fn project(cli: &Cli, manifest: Option<&Path>) -> Result<Project> {
    let project = Project::find(cli.root.as_deref(), manifest.and_then(Path::parent))?;
    Ok(project.with_profile(cli.profile))
}

fn bench(project: &Project, qemu: &Path, document: Option<&Path>) -> Result<()> {
    let (mut failures, mut written) = (0, Ok(()));
    let measures = Bench { project, qemu }.run(|found| match found {
        Ok(measures) => {
            for measure in measures {
                let line = format!("{} {} {}\n", measure.name, measure.value, measure.unit);
                if let Err(error) = print(line) {
                    written = Err(error);
                }
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
    written?;
    ensure!(failures == 0, "{failures} of the measurements failed");
    Ok(())
}
