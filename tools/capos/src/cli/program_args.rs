//! The options of `capos run` for a WebAssembly program.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::Path;

use anyhow::{Result, anyhow};
use capos_volume_tool::{Links, size_between};
use clap::Args;

use super::BadUsage;
use super::limits::LimitArgs;
use crate::app::{App, Dir, VolumeFile};
use crate::manifest::{Engine, MOST_LINEAR_MEMORY};

/// Minimum and maximum space in a folder's volume, which also needs some itself.
const LEAST_ROOM: u64 = 4 << 20;
const MOST_ROOM: u64 = 12 << 40;

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
    pub(super) dir_size: Option<u64>,
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
    /// Interpret the program, compile it, or interpret it until it has been compiled [default: interpreter]; with a manifest,
    /// all instances whose own entry does not say otherwise
    #[arg(long, value_name = "ENGINE", value_enum)]
    engine: Option<EngineName>,
    /// Print the manifest of such a run instead of running it
    #[arg(long)]
    pub(super) print_manifest: bool,
    /// Its arguments; arguments that are long options of capos go after `--`
    #[arg(last = true, value_name = "ARGUMENTS")]
    args: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum EngineName {
    Interpreter,
    Compiler,
    Auto,
}

impl From<EngineName> for Engine {
    fn from(name: EngineName) -> Self {
        match name {
            EngineName::Interpreter => Self::Interpreter,
            EngineName::Compiler => Self::Compiler,
            EngineName::Auto => Self::Auto,
        }
    }
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
    /// The engine, if it is stated.
    pub(super) fn engine(&self) -> Option<Engine> {
        self.engine.map(Engine::from)
    }

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
    pub(super) fn app(&self, module: &Path, given: &Path, memory: Option<&str>) -> Result<App> {
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
            engine: self.engine().unwrap_or_default(),
            cache: None,
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
}
