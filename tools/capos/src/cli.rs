//! The command line.

mod amounts;
mod behind;
mod boot;
#[cfg(test)]
mod documented;
mod ending;
mod full;
mod hints;
mod limits;
mod log_file;
mod memory;
mod other_kinds;
mod prepare;
mod program;
mod program_args;
mod run;
mod run_args;
mod what;
mod words;

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};

use anyhow::{Context as _, Result, anyhow, ensure};
use capos_volume_tool::VolumeCommand;
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::bench::{self, Bench, Measure};
use crate::host_path::folder_of;
use crate::image;
use crate::inspect;
use crate::iso;
use crate::manifest::Engine;
use crate::problem::BadManifest;
use crate::project::{Profile, Project};
use crate::qemu::{self, ConsoleLine};
use crate::say::{print, say, say_as_it_is};
use program_args::EngineName;
use what::{only_manifest, only_webassembly};

/// Builds, runs and measures capOS systems.
#[derive(Debug, Parser)]
#[command(name = "capos", version, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    /// The capOS source tree [default: the one that contains the manifest or the current folder]
    #[arg(long, global = true, value_name = "FOLDER")]
    root: Option<PathBuf>,
    /// Build profile of the kernel and native programs to use: `make PROFILE=...`
    #[arg(long, global = true, value_enum, default_value_t)]
    profile: Profile,
    #[command(subcommand)]
    command: Task,
}

const EXAMPLES: &str = "Examples:
  capos check manifests/ipc.cue                     report every error in a manifest
  capos run manifests/wasi-hello-rust.cue           boot it, and exit with the guest's exit status
  echo hello | capos run manifests/wasi-stdin.cue   its console is standard input and output
  capos run -v --timeout 5 my.cue                   show the kernel log; stop after 5 seconds
  capos run --dir . app.wasm one two                run any WASI program with these grants
  capos run --invoke fib lib.wasm 10                call one function of a module, and print its results
  capos inspect app.wasm                            show its imports and their grants, exports, proposals, sizes
  capos image my.cue -o my.capos                    only build the boot package

Exit statuses of `run`: the guest's own; 70 the kernel failed; 71 QEMU failed; 124 the run timed out;
1 nothing was booted, or output could not be written, and the reason is printed; 2 the command line is invalid.";

/// The exit status for an invalid command line, the same as clap's.
const BAD_USAGE: u8 = 2;
const QEMU: &str = "qemu-system-x86_64";

#[derive(Debug, Subcommand)]
enum Task {
    /// Report every error in a manifest
    Check {
        /// The manifest, a CUE file
        manifest: PathBuf,
    },
    /// List the programs of this tree that a manifest names: `native NAME` and `module NAME` lines
    Needs {
        /// The manifest, a CUE file
        manifest: PathBuf,
        /// The engine that is to run its instances [default: as the manifest says]
        #[arg(long, value_name = "ENGINE", value_enum)]
        engine: Option<EngineName>,
    },
    /// Build the boot package of a manifest
    Image {
        /// The manifest, a CUE file
        manifest: PathBuf,
        /// The file to write
        #[arg(short, long)]
        output: PathBuf,
        /// Replace an existing file
        #[arg(long)]
        force: bool,
        /// The transport of the console; must match the machine that boots the result
        #[arg(long, value_enum, default_value = "serial", value_name = "LINE")]
        console: ConsoleLine,
    },
    /// Build a disc image that boots a manifest through GRUB, by BIOS or UEFI
    Iso {
        /// The manifest, a CUE file
        manifest: PathBuf,
        /// The file to write
        #[arg(short, long)]
        output: PathBuf,
        /// Replace an existing file
        #[arg(long)]
        force: bool,
        /// The transport of the console; must match the machine that boots the result
        #[arg(long, value_enum, default_value = "serial", value_name = "LINE")]
        console: ConsoleLine,
    },
    /// Show what a WebAssembly file imports, exports and uses, and which options grant what it needs
    Inspect {
        /// A module, in binary or text form (.wat), or a component
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Boot a manifest or a WebAssembly program in QEMU and exit with the guest's exit status
    Run(Box<run_args::RunArgs>),
    /// Create volume images, and copy files in and out of them
    #[command(subcommand)]
    Volume(VolumeCommand),
    /// Measure, and print `name value unit` lines
    Bench {
        /// Also update the table of results in this document, such as docs/benchmarks.md
        #[arg(long, value_name = "FILE")]
        write: Option<PathBuf>,
        /// The QEMU command
        #[arg(long, default_value = QEMU, value_name = "COMMAND")]
        qemu: PathBuf,
    },
}

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    let words: Vec<_> = env::args_os().collect();
    if let Some(status) = qemu::become_tied(&words) {
        return ExitCode::from(status);
    }
    let cli = match words::arrange(&mut Cli::command(), words) {
        Ok(words) => parse(words),
        Err(reason) => {
            report(&anyhow!(reason));
            return ExitCode::from(BAD_USAGE);
        }
    };
    match perform(&cli) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            report(&error);
            if error.is::<BadUsage>() { ExitCode::from(BAD_USAGE) } else { ExitCode::FAILURE }
        }
    }
}

/// Options that do not fit together, or not what they are given with.
#[derive(Debug)]
struct BadUsage(String);

impl fmt::Display for BadUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for BadUsage {}

/// Like clap's parser, but names arguments that are not UTF-8.
fn parse(words: Vec<OsString>) -> Cli {
    Cli::try_parse_from(&words).unwrap_or_else(|error| {
        if error.kind() == ErrorKind::InvalidUtf8 {
            let strange = words.iter().filter(|word| word.to_str().is_none());
            let strange: Vec<_> = strange.map(|word| word.display().to_string()).collect();
            say(format_args!("options and arguments must be UTF-8: {}", strange.join(", ")));
            process::exit(BAD_USAGE.into());
        }
        error.exit()
    })
}

/// Errors in a manifest already begin with its name; all others get our prefix.
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
            image::check_to_run(&project(cli, Some(manifest))?, manifest, ConsoleLine::default(), &[], None)?;
            Ok(0)
        }
        Task::Needs { manifest, engine } => {
            only_manifest(manifest, "needs")?;
            let engine = engine.map(Engine::from);
            for (kind, name) in image::needs(&project(cli, Some(manifest))?, manifest, engine)? {
                print(format_args!("{} {name}\n", kind.word()))?;
            }
            Ok(0)
        }
        Task::Image { manifest, output, force, console } => {
            only_manifest(manifest, "image")?;
            check_output(output, *force, manifest)?;
            let package = image::build(&image::check(&project(cli, Some(manifest))?, manifest, *console)?)?;
            fs::write(output, package).with_context(|| output.display().to_string())?;
            Ok(0)
        }
        Task::Iso { manifest, output, force, console } => {
            only_manifest(manifest, "iso")?;
            check_output(output, *force, manifest)?;
            let project = project(cli, Some(manifest))?;
            let checked = image::check(&project, manifest, *console)?;
            let line = checked.manifest.console.unwrap_or(ConsoleLine::Serial);
            iso::make(&image::kernel(&project)?, &image::build(&checked)?, line, output)?;
            Ok(0)
        }
        Task::Inspect { file, json } => {
            only_webassembly(file)?;
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

/// Checks that `output` can be written without overwriting anything unasked, in particular `manifest`.
fn check_output(output: &Path, force: bool, manifest: &Path) -> Result<()> {
    let shown = output.display();
    ensure!(!output.is_dir(), "--output {shown} is a folder; expected a file name");
    ensure!(
        folder_of(output).is_dir(),
        "--output {shown}: there is no folder {}",
        folder_of(output).display()
    );
    let is_there = output.symlink_metadata().is_ok_and(|meta| meta.is_file() || meta.is_symlink());
    ensure!(force || !is_there, "{shown} already exists; --force replaces it");
    let is_manifest = is_there && output.canonicalize().ok() == manifest.canonicalize().ok();
    ensure!(!is_manifest, "--output {shown} is the manifest itself");
    Ok(())
}

fn project(cli: &Cli, manifest: Option<&Path>) -> Result<Project> {
    let project = Project::find(cli.root.as_deref(), manifest.and_then(Path::parent))?;
    Ok(project.with_profile(cli.profile))
}

fn bench(project: &Project, qemu: &Path, document: Option<&Path>) -> Result<()> {
    if let Some(path) = document {
        // Measuring takes minutes, so check first.
        rewrite(path, &[])?;
    }
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
        fs::write(path, rewrite(path, &measures)?).with_context(|| path.display().to_string())?;
    }
    written?;
    ensure!(failures == 0, "{failures} of the measurements failed");
    Ok(())
}

/// The document with its table replaced by these results.
fn rewrite(document: &Path, measures: &[Measure]) -> Result<String> {
    let text = fs::read_to_string(document).with_context(|| format!("--write {}", document.display()))?;
    bench::rewrite(&text, measures).map_err(|reason| anyhow!("--write {}: {reason}", document.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_without_a_table_of_results_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("main.c");
        fs::write(&file, "int main(void) {}").unwrap();
        let error = rewrite(&file, &[]).unwrap_err().to_string();
        assert!(error.starts_with("--write ") && error.contains("lacks the markers"), "{error}");
    }

    #[test]
    fn an_output_replaces_only_what_it_may() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("x.cue"), "package capos").unwrap();
        fs::write(at("old.img"), "old").unwrap();
        std::os::unix::fs::symlink("x.cue", at("link")).unwrap();
        let check = |output: &str, force| {
            check_output(&at(output), force, &at("x.cue"))
                .map_or_else(|error| error.to_string(), |()| String::new())
        };
        assert_eq!((check("new.img", false), check("old.img", true)), (String::new(), String::new()));
        for (output, force, wanted) in [
            ("old.img", false, "--force replaces it"),
            ("x.cue", true, "is the manifest itself"),
            ("link", true, "is the manifest itself"),
            ("", true, "is a folder"),
            ("none/new.img", true, "there is no folder"),
        ] {
            assert!(check(output, force).contains(wanted), "{output}: {}", check(output, force));
        }
    }
}
