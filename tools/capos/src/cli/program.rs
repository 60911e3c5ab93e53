//! `capos run PROGRAM.wasm`: a program of the user's, with what the command line gives it.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Result, anyhow, ensure};
use capos_volume_tool::{Links, show_size, size_between};
use clap::Args;

use super::ending::{FULL, FULL_OF_NAMES, counted, of_host};
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

/// The limit of an instance's linear memory when nothing else is said.
const DEFAULT_MEMORY: u64 = 64 << 20;
/// The least room in a folder's volume, and the most: it also needs some for itself.
const LEAST_ROOM: u64 = 4 << 20;
const MOST_ROOM: u64 = 12 << 40;
/// The memory that the kernel and the services of a run need.
const SYSTEM_MIB: u64 = 192;

pub(super) const HELP: &str = "Running a WebAssembly program:
  The program gets the console as its standard streams and nothing else, unless an option grants it. --print-manifest
  shows all of it as a manifest that can be kept, changed and run.

  What comes before the program is an option of capos. After it, long options of capos are too, up to the first other
  word; that and all behind it are the program's arguments, and so is all behind `--`.

  --dir HOST::GUEST copies the folder HOST into a volume for the run. When the program has ended, what it did there is
  done to the folder: files it changed are replaced, files it made are added, files it removed are removed. Files are
  put in place only after all of them have been copied; a file that something else changed during the run is left
  alone and named. If anything fails, the volume stays, the message says where, and no file of yours is lost. With
  :ro behind it the program can only read, and nothing is brought back. HOST alone is also the program's name for it.

  --volume FILE::GUEST gives the program a volume image, made with 64 MiB if there is none. It keeps its data from run
  to run, whatever happens, and `capos volume` moves files in and out.";

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "For a WebAssembly program")]
pub(super) struct ProgramArgs {
    /// Give it a folder: copied in, and changes copied back at the end, unless `:ro` makes it read-only
    #[arg(long = "dir", value_name = "HOST[::GUEST][:ro]")]
    dirs: Vec<Dir>,
    /// Room for files in each such folder, what it holds included, 4MiB or more [default: 1GiB, or four times what it holds]
    #[arg(long, value_name = "SIZE", value_parser = size_between(LEAST_ROOM, MOST_ROOM), allow_negative_numbers = true)]
    dir_size: Option<u64>,
    /// Treatment of symbolic links that lead out of such a folder: they are left out and named, or kept
    #[arg(long, value_name = "WHICH", value_enum, default_value = "inside")]
    links: LinkPolicy,
    /// Give it a volume image, which keeps its data
    #[arg(long = "volume", value_name = "FILE::GUEST[:ro]")]
    volumes: Vec<VolumeFile>,
    /// Set an environment variable, or without a value pass on that of capos; the last one of a name counts
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = variable)]
    env: Vec<(String, Option<String>)>,
    /// Name that the program is given as its argument 0, in place of its file's name
    #[arg(long, value_name = "NAME")]
    argv0: Option<String>,
    /// Give it random bytes
    #[arg(long)]
    entropy: bool,
    /// Give it the monotonic clock, and sleeping
    #[arg(long)]
    clock: bool,
    /// Give it the time of day
    #[arg(long)]
    wall_clock: bool,
    #[command(flatten)]
    limits: LimitArgs,
    /// Treatment of an imported function that nobody provides: an error at the start, or a trap when it is called
    #[arg(long, value_name = "POLICY", value_enum)]
    unknown_imports: Option<UnknownImports>,
    /// Call this export in place of running it as a program, with the arguments as the types of its parameters have it,
    /// and print what it returns
    #[arg(long, value_name = "FUNCTION")]
    invoke: Option<String>,
    /// Print the manifest of such a run instead of running it
    #[arg(long)]
    print_manifest: bool,
    /// Its arguments; those that begin with `--` and are options of capos, after `--`
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
    /// A manifest says all of this itself.
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
        ensure!(
            wrong.is_none(),
            "{}: only for a WebAssembly program; a manifest says it itself",
            wrong.unwrap_or_default()
        );
        Ok(())
    }

    fn app(&self, module: &Path, memory: Option<&str>) -> Result<App> {
        let read = size_between(1, MOST_LINEAR_MEMORY);
        let memory = memory.map(|text| read(text).map_err(|reason| anyhow!("--memory: {reason}")));
        Ok(App {
            module: module.to_owned(),
            args: self.args.clone(),
            argv0: self.argv0.clone(),
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

/// The variables with their values: each name once. One to be passed on that is not there is left out.
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
    ensure!(module.to_str().is_some(), "{}: the name of a program's file must be UTF-8", module.display());
    ensure!(
        args.disks.is_empty(),
        "--disk: only for a manifest; --volume FILE::GUEST gives a program a volume"
    );
    let app = args.program.app(module, args.memory.as_deref())?;
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
            "--print-manifest: a manifest names a file, and the program comes from elsewhere"
        );
        print(app.manifest(&sizes))?;
        return Ok(0);
    }
    // Removed at the end, whoever is still at work there; the images are apart, because they may have to stay.
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
    // Whatever ended the machine: what the program synced by then is there, and no operation is there in part.
    let brought =
        folders.bring_back(|folder, left_out| warn(folders::line(folder, left_out, "not brought back")));
    if let Ok(ended) = &ended {
        log.end(ended.exit_status());
    }
    if let Err(error) = brought {
        let kept = workplace.keep_images();
        let error = error.context(format!(
            "what the program wrote is in the images in {}; `capos volume export` gets it out",
            kept.display()
        ));
        match &ended {
            Ok(ended) if ended.exit_status() == 0 => return Err(error),
            _ => say(format_args!("{error:#}")),
        }
    }
    Ok(ended?.exit_status())
}

/// Packs what boots into `place`, and copies the folders into images in `images`.
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
    let linear = app.limits.memory_bytes.unwrap_or(DEFAULT_MEMORY) >> 20;
    let module_mib = fs::metadata(&app.module).map_or(0, |meta| meta.len() >> 20);
    // A module is in the package, and again, partly translated, in its host.
    prepared.memory_mib = SYSTEM_MIB + linear + prepared.memory_mib + 4 * module_mib;
    Ok((prepared, folders))
}

fn warn(line: Option<String>) {
    if let Some(line) = line {
        say(line);
    }
}

/// The user wrote no manifest, so what is wrong is said without naming one.
fn without_manifest(error: anyhow::Error) -> anyhow::Error {
    let Some(bad) = error.downcast_ref::<BadManifest>() else { return error };
    let lines = bad.problems().iter().map(|problem| match problem.path.rsplit('.').next() {
        None | Some("" | "module" | "files" | "memory" | "tableElements") => problem.reason.clone(),
        Some("disk") => format!("--volume: {}", problem.reason),
        Some(field) => format!("{field}: {}", problem.reason),
    });
    anyhow!("{}", lines.collect::<Vec<_>>().join("\ncapos: "))
}

/// Statuses of a program that never ran: something around it, or it itself, could not be started.
const NOT_STARTED: [u8; 2] = [125, 126];

/// Shows what the log says about the program's end, unless that is its own exit status; and which folders were full.
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
                Full::Data => format!(
                    "{folder} was full for the program, which has {room} there; --dir-size gives it more"
                ),
                Full::Names => format!(
                    "{folder} has no room for more files, though perhaps for more data: the program has room for names and \
                     attributes in proportion to --dir-size, which is {room}"
                ),
            });
        } else if let Some((_, image)) = behind.iter().find(|(name, _)| name == volume) {
            let (what, option) = match full {
                Full::Data => ("was full for the program", "--size"),
                Full::Names => ("has no room for more files, though perhaps for more data", "--metadata"),
            };
            say(format_args!(
                "{} {what}; `capos volume create {option}` makes one with more, and `capos volume export` and `import` fill it",
                image.display()
            ));
        }
    }
}

/// The kind of room that a volume lacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Full {
    Data,
    Names,
}

/// The volumes that had no room for something, as their servers say in the log.
fn full(log: &[String]) -> BTreeSet<(&str, Full)> {
    let lines = log.iter().filter_map(|line| line.split_once("[user] fs: "));
    let told = lines.filter_map(|(_, rest)| rest.split_once(": "));
    let told = told.filter_map(|(volume, what)| match what {
        FULL => Some((volume, Full::Data)),
        FULL_OF_NAMES => Some((volume, Full::Names)),
        _ => None,
    });
    told.collect()
}

/// The log's lines about a program's end, unless that is its own exit status; and if there are none, because
/// something around the program ended or was never started, what else it says.
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
        // What the host says of itself, and what is said of it and of others.
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
        return Err("not of the form NAME=VALUE or NAME".to_owned());
    }
    Ok((name.to_owned(), value.map(str::to_owned)))
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn the_volumes_that_were_full_are_found() {
        let log = [
            "[user] fs: dir0: the volume is full",
            "[user] fs: dir1: device error",
            "[user] fs: dir2: the volume is full of names",
        ]
        .map(str::to_owned);
        let full: Vec<_> = super::full(&log).into_iter().collect();
        assert_eq!(full, [("dir0", super::Full::Data), ("dir2", super::Full::Names)]);
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
        assert_eq!(reasons(log, "app", 137), ["wasm: out of memory at address 0x1000: raise --memory"]);
        assert_eq!(reasons(log, "app", 126).len(), 2);
        let log = "[user] init: wasm: the machine is out of memory, at address 0x1000\n";
        let line = "wasm: the machine is out of memory, at address 0x1000: give it more with --mem";
        assert_eq!(reasons(log, "app", 137), [line]);
        let log = "[wasm-host] wasm: no entry\n[user] init: wasm: exited with status 125\n";
        assert_eq!(reasons(log, "app", 125), ["wasm: no entry"]);
    }
}
