//! `capos run PROGRAM.wasm`: a program of the user's, with what the command line gives it.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::Args;

use super::ending::counted;
use super::run::{self, RunArgs};
use crate::app::folders::{self, Folders};
use crate::app::{App, Dir, VolumeFile};
use crate::image;
use crate::inspect;
use crate::manifest::size_of;
use crate::problem::BadManifest;
use crate::project::Project;
use crate::qemu::End;

/// What an instance's linear memory may be when nothing else is said.
const DEFAULT_MEMORY: u64 = 64 << 20;
/// What the kernel and the services of a run need.
const SYSTEM_MIB: u64 = 192;

pub(super) const HELP: &str = "Running a WebAssembly program:
  The program gets the console as its standard streams and nothing else, unless an option grants it. --print-manifest
  shows all of it as a manifest that can be kept, changed and run.

  --dir HOST::GUEST copies the folder HOST into a volume for the run. When the program has ended, what it did there is
  done to the folder: files it changed are replaced, files it made are added, files it removed are removed. Files are
  put in place only after all of them have been copied; a file that something else changed during the run is left
  alone and named. If anything fails, the volume stays, the message says where, and no file of yours is lost. With
  :ro behind it the program can only read, and nothing is brought back.

  --volume FILE::GUEST gives the program a volume image, made with 64 MiB if there is none. It keeps its data from run
  to run, whatever happens, and `capos volume` moves files in and out.";

#[derive(Debug, Args)]
#[command(next_help_heading = "For a WebAssembly program")]
pub(super) struct ProgramArgs {
    /// Give it a folder: copied in, and changes copied back at the end, unless `:ro` makes it read-only
    #[arg(long = "dir", value_name = "HOST::GUEST[:ro]")]
    dirs: Vec<Dir>,
    /// Give it a volume image, which keeps its data
    #[arg(long = "volume", value_name = "FILE::GUEST[:ro]")]
    volumes: Vec<VolumeFile>,
    /// Set an environment variable
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
    /// Give it random bytes
    #[arg(long)]
    entropy: bool,
    /// Give it the monotonic clock, and sleeping
    #[arg(long)]
    clock: bool,
    /// Give it the time of day
    #[arg(long)]
    wall_clock: bool,
    /// End it after this many units of fuel, about one for each instruction
    #[arg(long, value_name = "UNITS", value_parser = clap::value_parser!(u64).range(1..))]
    fuel: Option<u64>,
    /// What an imported function that nobody provides is: an error at the start, or a trap when it is called
    #[arg(long, value_name = "POLICY", value_enum)]
    unknown_imports: Option<UnknownImports>,
    /// Call this export in place of running it as a program, with the arguments as the types of its parameters have it,
    /// and print what it returns
    #[arg(long, value_name = "FUNCTION")]
    invoke: Option<String>,
    /// Print the manifest of such a run instead of running it
    #[arg(long)]
    print_manifest: bool,
    /// With --invoke: the function's arguments, also without `--`
    #[arg(value_name = "VALUES", allow_negative_numbers = true)]
    values: Vec<String>,
    /// Its arguments, after `--`
    #[arg(last = true, value_name = "ARGUMENTS")]
    args: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum UnknownImports {
    Deny,
    Trap,
}

impl ProgramArgs {
    /// A manifest says all of this itself.
    pub(super) fn refuse(&self) -> Result<()> {
        let given = [
            ("--dir", !self.dirs.is_empty()),
            ("--volume", !self.volumes.is_empty()),
            ("--env", !self.env.is_empty()),
            ("--entropy", self.entropy),
            ("--clock", self.clock),
            ("--wall-clock", self.wall_clock),
            ("--fuel", self.fuel.is_some()),
            ("--unknown-imports", self.unknown_imports.is_some()),
            ("--invoke", self.invoke.is_some()),
            ("--print-manifest", self.print_manifest),
            ("arguments", !self.values.is_empty() || !self.args.is_empty()),
        ];
        let wrong = given.iter().find(|(_, given)| *given).map(|(name, _)| *name);
        ensure!(
            wrong.is_none(),
            "{}: only for a WebAssembly program; a manifest says it itself",
            wrong.unwrap_or_default()
        );
        Ok(())
    }

    fn app(&self, module: &Path, memory: Option<&str>) -> Result<App> {
        let memory = memory.map(|text| size_of(text).map_err(|reason| anyhow!("--memory: {reason}")));
        Ok(App {
            module: module.to_owned(),
            args: self.values.iter().chain(&self.args).cloned().collect(),
            env: self.env.clone(),
            dirs: self.dirs.clone(),
            volumes: self.volumes.clone(),
            entropy: self.entropy,
            clock: self.clock,
            wall_clock: self.wall_clock,
            memory: memory.transpose()?,
            fuel: self.fuel,
            invoke: self.invoke.clone(),
            trap_unknown_imports: self.unknown_imports == Some(UnknownImports::Trap),
            // A printed manifest is for runs to come.
            stdin_is_stream: !self.print_manifest && !io::stdin().is_terminal(),
        })
    }
}

pub(super) fn run(project: &Project, args: &RunArgs, module: &Path) -> Result<u8> {
    ensure!(
        args.disks.is_empty(),
        "--disk: only for a manifest; --volume FILE::GUEST gives a program a volume"
    );
    ensure!(
        args.program.invoke.is_some() || args.program.values.is_empty(),
        "the program's arguments go after --, as in: capos run {} -- {}",
        module.display(),
        args.program.values.join(" ")
    );
    let app = args.program.app(module, args.memory.as_deref())?;
    if let Some(function) = &app.invoke {
        inspect::check_call(module, function, &app.args)?;
    }
    for dir in &app.dirs {
        ensure!(dir.host.is_dir(), "--dir: there is no folder {}", dir.host.display());
    }
    for volume in &app.volumes {
        let file = &volume.file;
        ensure!(!volume.read_only || file.exists(), "--volume: there is no {}", file.display());
        ensure!(!file.is_dir(), "--volume: {} is a folder; --dir gives a program one", file.display());
    }
    let sizes = folders::image_sizes(&app.dirs)?;
    let manifest = app.manifest(&sizes);
    if args.program.print_manifest {
        print!("{manifest}");
        return Ok(0);
    }
    let place = tempfile::Builder::new().prefix("capos-").tempdir().context("a temporary folder")?;
    let file = place.path().join(format!("{}.cue", app.name()));
    fs::write(&file, &manifest).with_context(|| file.display().to_string())?;
    let checked = image::check_in(project, &file, Path::new("")).map_err(without_manifest)?;
    let folders = Folders::copy_in(&app.dirs, &sizes)?;
    let mut prepared = run::prepare(project, &checked, place.path(), &folders.disks(), u64::MAX)?;
    let linear = app.memory.unwrap_or(DEFAULT_MEMORY) >> 20;
    let module_mib = fs::metadata(module).map_or(0, |meta| meta.len() >> 20);
    // A module is in the package, and again, partly translated, in its host.
    prepared.memory_mib = SYSTEM_MIB + linear + prepared.memory_mib + 4 * module_mib;
    let ended = run::boot(project, args, prepared, None)?;
    let status = ended.end.exit_status();
    if status != 0 {
        explain(&ended.log, &app.name(), status);
    }
    match bring_back(folders, &ended.end) {
        Err(error) if status != 0 => {
            eprintln!("capos: {error:#}");
            Ok(status)
        }
        result => result.map(|()| status),
    }
}

fn bring_back(folders: Folders, end: &End) -> Result<()> {
    match end {
        _ if folders.is_empty() => Ok(()),
        // What the program synced by then is there, and no operation is there in part.
        End::Status(_) | End::TimedOut | End::Signalled(_) => folders.bring_back(),
        End::Panic | End::Reset | End::Qemu(_) => {
            folders.keep("the folders were left as they are, because the machine failed")
        }
    }
}

/// The user wrote no manifest, so what is wrong is said without naming one.
fn without_manifest(error: anyhow::Error) -> anyhow::Error {
    let Some(bad) = error.downcast_ref::<BadManifest>() else { return error };
    let lines = bad.problems().iter().map(|problem| match problem.path.rsplit('.').next() {
        None | Some("" | "module" | "files") => problem.reason.clone(),
        Some(field) => format!("{field}: {}", problem.reason),
    });
    anyhow!("{}", lines.collect::<Vec<_>>().join("\ncapos: "))
}

/// Statuses of a program that never ran: something around it, or it itself, could not be started.
const NOT_STARTED: [u8; 2] = [125, 126];

/// Shows what the log says about the program's end, unless that is its own exit status.
fn explain(log: &[String], name: &str, status: u8) {
    for line in reasons(log, name, status) {
        eprintln!("capos: {name}: {line}");
    }
}

/// What the log says about a program's end, unless that is its own exit status; and if it says nothing, because
/// something around the program ended or was never started, what else it says.
fn reasons(log: &[String], name: &str, status: u8) -> Vec<String> {
    let of = |process: &str| -> Vec<&str> {
        let lines = log.iter().filter_map(|line| line.split_once(process)).map(|(_, rest)| rest);
        lines.filter(|line| !line.contains("exited with") && !line.starts_with("compiled in")).collect()
    };
    let mut lines = of(&format!("[wasm-host] {name}: "));
    if lines.is_empty() {
        if NOT_STARTED.contains(&status) {
            lines = of("[user] fs: ");
        }
        lines.extend(of("[user] init: "));
    }
    let unknown = lines.iter().any(|line| line.contains(": unknown import "));
    let mut lines = counted(&lines);
    if unknown {
        lines.push(UNKNOWN_IMPORTS.to_owned());
    }
    lines
}

const UNKNOWN_IMPORTS: &str = "if it never calls that: `unknownImports: \"trap\"` in the manifest or --unknown-imports=trap \
                               lets it start, with imported functions that trap when they are called";

/// `NAME=VALUE`.
fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("not of the form NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    fn reasons(log: &str, name: &str, status: u8) -> Vec<String> {
        super::reasons(&log.lines().map(str::to_owned).collect::<Vec<_>>(), name, status)
    }

    #[test]
    fn the_end_of_a_program_is_told_once() {
        let log = "[wasm-host] app: compiled in 3 us\n[wasm-host] app: trap: unreachable\n[wasm-host] app:   in rec\n\
                   [wasm-host] app:   in rec\n[wasm-host] app:   in main\n[wasm-host] apple: in rec\n\
                   [user] init: wasm: exited with status 134\n";
        assert_eq!(reasons(log, "app", 134), ["trap: unreachable", "  in rec (2 times)", "  in main"]);
        assert!(reasons("[wasm-host] app: exited with status 3\n", "app", 3).is_empty());
    }

    #[test]
    fn an_unknown_import_comes_with_what_lets_the_program_start() {
        let log = "[wasm-host] app: failed to start: instance \"app\": unknown import \"foo\" of \"env\"\n";
        let reasons = reasons(log, "app", 126);
        assert_eq!(reasons.len(), 2);
        assert!(reasons.iter().any(|line| line.contains("--unknown-imports=trap")), "{reasons:?}");
    }

    #[test]
    fn the_end_of_what_runs_a_program_is_told() {
        let log = "[user] fs: checked\n[user] init: wasm: out of memory at address 0x1000\n";
        assert_eq!(reasons(log, "app", 137), ["wasm: out of memory at address 0x1000"]);
        assert_eq!(reasons(log, "app", 126).len(), 2);
    }
}
