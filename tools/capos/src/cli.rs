//! The command line.

#[cfg(test)]
mod documented;
mod ending;
mod limits;
mod prepare;
mod program;
mod run;
mod what;
mod words;

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, ensure};
use capos_volume_tool::VolumeCommand;
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::bench::{self, Bench};
use crate::image;
use crate::inspect;
use crate::iso;
use crate::problem::BadManifest;
use crate::project::{Profile, Project};
use crate::qemu::ConsoleLine;
use what::only_manifest;

/// Builds, runs and measures capOS systems.
#[derive(Debug, Parser)]
#[command(name = "capos", version, after_help = EXAMPLES)]
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
1 nothing was booted, for the reason given.";

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
    let cli = match words::arrange(&mut Cli::command(), env::args_os().collect()) {
        Ok(words) => Cli::parse_from(words),
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
            only_manifest(manifest, "check")?;
            image::check_to_run(&project(cli, Some(manifest))?, manifest, ConsoleLine::default(), &[])?;
            Ok(0)
        }
        Task::Needs { manifest } => {
            only_manifest(manifest, "needs")?;
            for (kind, name) in image::needs(&project(cli, Some(manifest))?, manifest)? {
                println!("{} {name}", kind.word());
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
            // A reader that has seen enough is no failure.
            drop(io::stdout().write_all(text.as_bytes()));
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
