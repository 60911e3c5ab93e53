//! `capos run PROGRAM.wasm`: a user's program, with grants from the command line.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::Path;

use anyhow::{Result, anyhow, ensure};
use capos_volume_tool::{Links, show_size, size_between};
use clap::Args;

use super::BadUsage;
use super::ending::{counted, of_host};
use super::full::{Full, full};
use super::hints::{for_options, with_limit};
use super::limits::LimitArgs;
use super::log_file::LogFile;
use super::prepare::within;
use super::run::{self, Around};
use crate::app::folders::{self, Folders, Plan};
use crate::app::{App, Dir, VolumeFile, together};
use crate::image;
use crate::inspect;
use crate::manifest::MOST_LINEAR_MEMORY;
use crate::problem::BadManifest;
use crate::project::Project;
use crate::qemu::{ConsoleLine, Ended};
use crate::say::{print, say};
use crate::workplace::Workplace;

/// The default limit of an instance's linear memory.
const DEFAULT_MEMORY: u64 = 64 << 20;
/// Minimum and maximum space in a folder's volume, which also needs some itself.
const LEAST_ROOM: u64 = 4 << 20;
const MOST_ROOM: u64 = 12 << 40;
/// Memory for the kernel and the services of a run.
const SYSTEM_MIB: u64 = 192;

pub(super) const HELP: &str = "Running a WebAssembly program:
  The program gets the console as its standard streams, and nothing else unless an option grants it. --print-manifest
  prints the equivalent manifest, which can be saved, changed and run.

  Options before the program belong to capos. After it, long options of capos are still recognised, up to the first
  other word; that word and everything after it are the program's arguments, as is everything after `--`.

  --dir HOST::GUEST copies the folder HOST into a volume for the run. When the program has ended, its changes are
  applied to the folder: changed files are replaced, new files added, removed files removed. The folder is not touched
  until all new files have been copied; a file that something else changed during the run is left alone and reported.
  If anything fails, the volume is kept, the message says where, and no file of yours is lost. With the suffix :ro the
  folder is read-only, and nothing is copied back. HOST alone uses the same path for the program.

  --volume FILE::GUEST grants a volume image, created with 64 MiB if it does not exist. It keeps its data from run to
  run, whatever happens, and `capos volume` copies files in and out.";

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "For a WebAssembly program")]
pub(super) struct ProgramArgs {
    /// Grant a folder: copied in, and changes copied back at the end, unless `:ro` makes it read-only
    #[arg(long = "dir", value_name = "HOST[::GUEST][:ro]")]
    dirs: Vec<Dir>,
    /// Space for files in each such folder, its content included, 4MiB or more [default: 1GiB, or four times the content]
    #[arg(long, value_name = "SIZE", value_parser = size_between(LEAST_ROOM, MOST_ROOM), allow_negative_numbers = true)]
    dir_size: Option<u64>,
    /// Whether symbolic links that lead out of such a folder are left out (inside) or kept
    #[arg(long, value_name = "WHICH", value_enum, default_value = "inside")]
    links: LinkPolicy,
    /// Grant a volume image, which keeps its data
    #[arg(long = "volume", value_name = "FILE::GUEST[:ro]")]
    volumes: Vec<VolumeFile>,
    /// Set an environment variable or, without a value, inherit it; the last one of a name wins
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = variable)]
    env: Vec<(String, Option<String>)>,
    /// The program's argument 0 [default: its file's name]
    #[arg(long, value_name = "NAME")]
    argv0: Option<String>,
    /// Grant random bytes
    #[arg(long)]
    entropy: bool,
    /// Grant the monotonic clock, and sleeping
    #[arg(long)]
    clock: bool,
    /// Grant the time of day
    #[arg(long)]
    wall_clock: bool,
    #[command(flatten)]
    limits: LimitArgs,
    /// Whether an unknown imported function is an error at the start, or a trap when called
    #[arg(long, value_name = "POLICY", value_enum)]
    unknown_imports: Option<UnknownImports>,
    /// Call this export instead of `_start`, with arguments parsed by the types of its parameters, and print its
    /// results
    #[arg(long, value_name = "FUNCTION")]
    invoke: Option<String>,
    /// Print the manifest of such a run instead of running it
    #[arg(long)]
    print_manifest: bool,
    /// Its arguments; arguments that are long options of capos go after `--`
    #[arg(last = true, value_name = "ARGUMENTS")]
    args: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum UnknownImports {
    Deny,
    Trap,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LinkPolicy {
    Inside,
    Keep,
}

impl From<LinkPolicy> for Links {
    fn from(policy: LinkPolicy) -> Self {
        match policy {
            LinkPolicy::Inside => Self::Inside,
            LinkPolicy::Keep => Self::Keep,
        }
    }
}

impl ProgramArgs {
    /// Refuses options that a manifest states itself.
    pub(super) fn refuse(&self) -> Result<()> {
        let given = [
            ("--dir", !self.dirs.is_empty()),
            ("--dir-size", self.dir_size.is_some()),
            ("--links", self.links != LinkPolicy::Inside),
            ("--volume", !self.volumes.is_empty()),
            ("--env", !self.env.is_empty()),
            ("--argv0", self.argv0.is_some()),
            ("--entropy", self.entropy),
            ("--clock", self.clock),
            ("--wall-clock", self.wall_clock),
            ("--unknown-imports", self.unknown_imports.is_some()),
            ("--invoke", self.invoke.is_some()),
            ("--print-manifest", self.print_manifest),
            ("arguments", !self.args.is_empty()),
        ];
        let wrong =
            given.into_iter().chain(self.limits.given()).find(|(_, given)| *given).map(|(name, _)| name);
        match wrong {
            Some(option) => {
                let reason =
                    format!("{option}: only for a WebAssembly program; set it in the manifest instead");
                Err(BadUsage(reason).into())
            }
            None => Ok(()),
        }
    }

    /// `given` is the program as the command line has it, of which `module` may be a copy.
    fn app(&self, module: &Path, given: &Path, memory: Option<&str>) -> Result<App> {
        let read = size_between(1, MOST_LINEAR_MEMORY);
        let memory = memory.map(|text| read(text).map_err(|reason| anyhow!("--memory: {reason}")));
        Ok(App {
            module: module.to_owned(),
            args: self.args.clone(),
            argv0: self.argv0.clone().or_else(|| file_name(given)),
            env: environment(&self.env, |name| std::env::var_os(name))?,
            dirs: self.dirs.clone(),
            links: self.links.into(),
            volumes: self.volumes.clone(),
            entropy: self.entropy,
            clock: self.clock,
            wall_clock: self.wall_clock,
            limits: self.limits.limits(memory.transpose()?),
            invoke: self.invoke.clone(),
            trap_unknown_imports: self.unknown_imports == Some(UnknownImports::Trap),
        })
    }
}

/// The argument 0 of the program in this file, or `-` of that from standard input: as wasmtime has it.
fn file_name(given: &Path) -> Option<String> {
    Some(given.file_name()?.to_str()?.to_owned())
}

/// The variables with their values, each name once. An inherited variable that is not set is left out.
fn environment(
    given: &[(String, Option<String>)],
    ours: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<(String, String)>> {
    let (mut variables, mut names) = (Vec::new(), HashSet::new());
    for (name, value) in given.iter().rev() {
        let value = match value {
            Some(value) => value.clone(),
            None => match ours(name) {
                Some(value) => {
                    value.into_string().map_err(|_| anyhow!("--env {name}: its value is not UTF-8"))?
                }
                None => continue,
            },
        };
        if names.insert(name) {
            variables.push((name.clone(), value));
        }
    }
    variables.reverse();
    Ok(variables)
}

pub(super) fn run(around: &Around<'_>, workplace: Workplace, module: &Path) -> Result<u8> {
    let Around { project, args, time, .. } = *around;
    ensure!(module.to_str().is_some(), "{}: the program's file name must be UTF-8", module.display());
    if !args.disks.is_empty() {
        let reason = "--disk: only for a manifest; use --volume FILE::GUEST for a program";
        return Err(BadUsage(reason.to_owned()).into());
    }
    let app = args.program.app(module, args.what.as_deref().unwrap_or(module), args.memory.as_deref())?;
    if let Some(function) = &app.invoke {
        inspect::check_call(module, function, &app.args)?;
    }
    app.dirs.iter().try_for_each(Dir::check)?;
    app.volumes.iter().try_for_each(VolumeFile::check)?;
    together::check(&app.dirs, &app.volumes)?;
    let plan = {
        let (dirs, room, links) = (app.dirs.clone(), args.program.dir_size, app.links);
        within(time, move || Plan::make(&dirs, room, links))?
    };
    let Some(plan) = plan else { return Ok(run::never_started(time)) };
    let sizes = plan.image_sizes();
    if args.program.print_manifest {
        ensure!(
            !module.starts_with(workplace.path()),
            "--print-manifest: the program must be a file, because a manifest names one"
        );
        print(app.manifest(&sizes))?;
        return Ok(0);
    }
    // Removed at the end in any case; the images are separate, because they may have to stay.
    let work = {
        let (project, app, place) = (project.clone(), app.clone(), workplace.path().to_owned());
        let (line, images) = (args.line(), workplace.images()?);
        move || prepare(&project, &app, &sizes, plan, line, &place, &images)
    };
    let Some((prepared, folders)) = within(time, work)? else { return Ok(run::never_started(time)) };
    let log = LogFile::open(project, args.log.as_deref(), &prepared.name)?;
    let ended = run::boot(around, prepared, None, &log, workplace.path());
    if let Ok(ended) = &ended {
        explain(ended, &app, &folders);
    }
    // However the machine ended, everything that the program had synced is there, and no operation only in
    // part.
    let brought =
        folders.bring_back(|folder, left_out| warn(folders::line(folder, left_out, "not brought back")));
    if let Ok(ended) = &ended {
        log.end(ended.exit_status());
    }
    if let Err(error) = brought {
        let kept = workplace.keep_images();
        let error = anyhow!(
            "{error:#}; the program's data is in the images in {}, and `capos volume export` extracts it",
            kept.display()
        );
        match &ended {
            Ok(ended) if ended.exit_status() == 0 => return Err(error),
            _ => say(error),
        }
    }
    Ok(ended?.exit_status())
}

/// Packs the boot images into `place`, and copies the folders into images in `images`.
fn prepare(
    project: &Project,
    app: &App,
    sizes: &[u64],
    plan: Plan,
    line: ConsoleLine,
    place: &Path,
    images: &Path,
) -> Result<(run::Prepared, Folders)> {
    let checked = image::check_app(project, app, sizes, place, line).map_err(without_manifest)?;
    let folders =
        plan.copy_in(images, |folder, left_out| warn(folders::line(folder, left_out, "left out")))?;
    let mut prepared = run::prepare(project, &checked, place, &folders.disks(), run::FOREVER)?;
    // A stated limit is included already.
    let linear_mib = if app.limits.memory_bytes.is_none() { DEFAULT_MEMORY >> 20 } else { 0 };
    prepared.memory_mib += SYSTEM_MIB + linear_mib;
    Ok((prepared, folders))
}

fn warn(line: Option<String>) {
    if let Some(line) = line {
        say(line);
    }
}

/// The user wrote no manifest, so the errors do not name one.
fn without_manifest(error: anyhow::Error) -> anyhow::Error {
    let Some(bad) = error.downcast_ref::<BadManifest>() else { return error };
    let lines = bad.problems().iter().map(|problem| match problem.path.rsplit('.').next() {
        None | Some("" | "module" | "files" | "memory" | "tableElements") => problem.reason.clone(),
        Some("disk") => format!("--volume: {}", problem.reason),
        Some(field) => format!("{field}: {}", problem.reason),
    });
    anyhow!("{}", lines.collect::<Vec<_>>().join("\ncapos: "))
}

/// Statuses of a program that never ran: it, or a part of the system, could not be started.
const NOT_STARTED: [u8; 2] = [125, 126];

/// Prints the log's lines about the program's end, unless it exited by itself; and which folders were full.
fn explain(ended: &Ended, app: &App, folders: &Folders) {
    let (status, behind) = (ended.exit_status(), app.behind());
    if status != 0 {
        let name = &app.name();
        for line in reasons(&ended.log, name, status) {
            say(format_args!("{name}: {}", of_host(&line, &behind)));
        }
    }
    for (volume, full) in full(&ended.log) {
        if let Some((folder, room)) = folders.find(volume) {
            let (folder, room) = (folder.display(), show_size(room));
            say(match full {
                Full::Data => {
                    format!("{folder}: the program ran out of space, which is {room}; --dir-size raises it")
                }
                Full::Names => format!(
                    "{folder}: the program ran out of space for names, though not necessarily for data; the space for names and \
                     attributes is proportional to --dir-size, which is {room}"
                ),
            });
        } else if let Some((_, image)) = behind.iter().find(|(name, _)| name == volume) {
            say(full.of_image(image));
        }
    }
}

/// The log's lines about a program's end, unless it exited by itself; if there are none, because a part of
/// the system ended or was never started, the other lines.
fn reasons(log: &[String], name: &str, status: u8) -> Vec<String> {
    let of = |process: &str| -> Vec<&str> {
        let lines = log.iter().filter_map(|line| line.split_once(process)).map(|(_, rest)| rest);
        lines.filter(|line| !line.contains("exited with") && !line.starts_with("compiled in")).collect()
    };
    let told = of(&format!("[wasm-host] {name}: "));
    let mut lines: Vec<_> = told.into_iter().map(|line| for_options(&with_limit(line))).collect();
    if lines.is_empty() {
        if NOT_STARTED.contains(&status) {
            lines = of("[user] fs: ").iter().map(|line| format!("volume {line}")).collect();
        }
        // The host's own lines, and lines about it and other processes.
        lines.extend(of("[wasm-host] wasm: ").iter().map(|line| format!("wasm: {line}")));
        lines.extend(of("[user] init: ").iter().map(|line| match line.split_once(": ") {
            Some((process, end)) => format!("{process}: {}", for_options(&with_limit(end))),
            None => (*line).to_owned(),
        }));
    }
    counted(&lines.iter().map(String::as_str).collect::<Vec<_>>())
}

/// `NAME=VALUE` or `NAME`.
fn variable(text: &str) -> Result<(String, Option<String>), String> {
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
    if name.is_empty() {
        return Err("expected NAME=VALUE or NAME".to_owned());
    }
    Ok((name.to_owned(), value.map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn argument_0_is_the_files_name_as_it_is() {
        for (given, wanted) in
            [("e.wasm", "e.wasm"), ("d/a b.wasm", "a b.wasm"), ("./-x.wasm", "-x.wasm"), ("-", "-")]
        {
            assert_eq!(super::file_name(given.as_ref()).as_deref(), Some(wanted));
        }
    }

    #[test]
    fn the_last_variable_of_a_name_counts() {
        let given: Vec<_> = ["A=1", "B=x=y", "HOME", "A=2", "NONE", "B"]
            .iter()
            .map(|text| super::variable(text).unwrap_or_default())
            .collect();
        let ours = |name: &str| (name == "HOME").then(|| "/root".into());
        let variables = super::environment(&given, ours).unwrap_or_default();
        let variables: Vec<_> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(variables, ["B=x=y", "HOME=/root", "A=2"]);
        assert!(super::variable("=x").is_err() && super::variable("").is_err());
        let strange = |_: &str| Some(std::os::unix::ffi::OsStringExt::from_vec(vec![0xff]));
        assert!(super::environment(&given, strange).is_err());
    }

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
    fn the_end_of_what_runs_a_program_is_told() {
        let log = "[user] fs: checked\n[user] init: wasm: out of memory at address 0x1000\n";
        assert_eq!(reasons(log, "app", 137), ["wasm: out of memory: raise --memory"]);
        assert_eq!(reasons(log, "app", 126).len(), 2);
        let log = "[user] init: wasm: the machine is out of memory, at address 0x1000\n";
        let line = "wasm: the machine is out of memory: give it more with --mem";
        assert_eq!(reasons(log, "app", 137), [line]);
        let log = "[wasm-host] wasm: no entry\n[user] init: wasm: exited with status 125\n";
        assert_eq!(reasons(log, "app", 125), ["wasm: no entry"]);
    }
}
