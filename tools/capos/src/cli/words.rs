//! Separates the words of the command line that are `capos run`'s from those that are the program's.
//!
//! All words before the program are ours. After it our long options are still ours, up to the first other
//! word; that one and all after it are the program's, and so is everything after `--`.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::{Arg, ArgAction, Command};

/// Options of wasmtime that have another form here, and a hint.
const FOREIGN: &[(&[&str], &str)] = &[
    (
        &["-S", "--wasi"],
        "use the options of capos: --dir, --env NAME for an inherited variable, --clock, --wall-clock, --entropy",
    ),
    (
        &["-W", "--wasm"],
        "use the options for limits: --memory, --fuel, --stack, --table-elements, --wall-time or --timeout; \
         proposals need no option",
    ),
    (&["-O", "--optimize"], "there is no compiler"),
    (&["-C", "--codegen"], "there is no compiler"),
    (&["-D", "--debug"], "traps always show a backtrace; -v shows the log"),
    (&["--preload"], "a program must be a single module; link the modules into one"),
    (&["--mapdir"], "use --dir HOST::GUEST, the host folder first"),
    (&["--inherit-env", "--keep-env"], "use --env NAME for each variable to inherit"),
    (&["--trap-unknown-imports"], "use --unknown-imports=trap"),
    (
        &["--tcplisten", "--listenfd", "--inherit-network", "--allow-ip-name-lookup"],
        "programs have no network yet",
    ),
    (&["--wasm-timeout", "--epoch-interruption"], "use --wall-time for the program's own time, or --timeout"),
    (&["--max-memory-size"], "use --memory"),
    (&["--max-wasm-stack"], "use --stack"),
    (&["--allow-precompiled"], "pass the original module"),
    (
        &[
            "--allow-unknown-exports",
            "--wasm-features",
            "--enable-simd",
            "--enable-threads",
            "--enable-all",
            "--wasi-modules",
        ],
        "not needed: all supported proposals are enabled",
    ),
    (&["--config", "--target", "--cache", "--disable-cache", "-q", "--quiet"], "not needed"),
    (&["-g", "--gdb"], "there is no debugger; a program that traps prints its backtrace"),
    (&["--coredump-on-trap"], "a program that traps prints its backtrace; there are no core dumps"),
    (&["-R", "--record"], "runs cannot be recorded; --icount makes a run exactly repeatable"),
];

/// The same of other engines and of tools that run programs.
const COMMON: &[(&[&str], &str)] = &[
    (&["-e", "-E"], "use --env NAME=VALUE, or --env NAME for a variable of yours"),
    (
        &["--env-all", "--env-inherit", "--forward-host-env"],
        "use --env NAME for each variable that the program is to have",
    ),
    (&["-d", "--mount", "--mapdirs"], "use --dir HOST::GUEST"),
    (&["-i", "-t", "--interactive"], "standard input is passed on without an option"),
    (&["--net", "--network", "--addr-pool", "--allow-dns"], "programs have no network yet"),
    (
        &["--cwd", "--workdir", "-w"],
        "programs begin in `/`, or in a folder that is given with the name `.`: --dir FOLDER::.",
    ),
    (&["--stack-size"], "use --stack"),
    (&["--memory-page-limit", "--max-memory"], "use --memory"),
    (&["--gas-limit"], "use --fuel"),
    (&["--time-limit"], "use --wall-time or --timeout"),
];

/// Profilers of wasmtime, as values of an option that capos has for something else.
const PROFILERS: [&str; 5] = ["perfmap", "jitdump", "vtune", "guest", "none"];

/// Commands of wasmtime that capos does not have, or has under another name.
const FOREIGN_COMMANDS: [(&str, &str); 11] = [
    ("wizer", "modules cannot be pre-initialized"),
    ("hot-blocks", "there is no profiler"),
    ("replay", "runs cannot be recorded; `capos run --icount` makes a run exactly repeatable"),
    ("compile", "there is no compiler: `capos run` takes the module itself"),
    ("serve", "programs have no network yet"),
    ("wast", "`capos run` takes a module, also as text (.wat)"),
    ("explore", "`capos inspect` shows the content of a module"),
    ("objdump", "`capos inspect` shows the content of a module"),
    ("config", "all configuration is on the command line"),
    ("settings", "there is no compiler"),
    ("completion", "`capos --help` lists the commands"),
];

/// Inserts the `--` between our words and the program's that the user omitted. `command` describes the command line.
pub(super) fn arrange(command: &mut Command, mut words: Vec<OsString>) -> Result<Vec<OsString>, String> {
    command.build();
    let Some(at) = find_command(command, &words) else { return Ok(words) };
    let Some(run) = words.get(at).filter(|word| *word == "run").map(|_| at) else {
        return match words.get(at) {
            Some(word) => refuse_no_command(command, word, &words).map(|()| words),
            None => Ok(words),
        };
    };
    let Some(options) = command.find_subcommand("run") else { return Ok(words) };
    let mut at = run + 1;
    while let Some(word) = words.get(at) {
        refuse_profiler(word, words.get(at + 1))?;
        match length(options, word) {
            Some(length) => at += length,
            None if word == "--" => {
                // Everything after this is the program and its arguments.
                words.remove(at);
                if let Some(program) = words.get_mut(at).filter(|word| is_option(word)) {
                    // As a path it is no option.
                    let mut path = OsString::from("./");
                    path.push(&*program);
                    *program = path;
                }
                break;
            }
            None => {
                refuse_foreign(word)?;
                break;
            }
        }
    }
    let Some(what) = words.get(at) else { return Ok(words) };
    if is_option(what) {
        return Ok(words);
    }
    if Path::new(what).extension() == Some(OsStr::new("cue")) {
        return only_options(options, &words, at).map(|()| words);
    }
    at += 1;
    while let Some(word) = words.get(at) {
        let is_ours = word.as_encoded_bytes().starts_with(b"--") && word != "--help" && word != "--version";
        match length(options, word) {
            Some(length) if is_ours => at += length,
            _ if word == "--" => return Ok(words),
            _ => {
                words.insert(at, "--".into());
                return Ok(words);
            }
        }
    }
    Ok(words)
}

/// Whether a word looks like an option. One dash alone is a file: standard input.
fn is_option(word: &OsStr) -> bool {
    word.as_encoded_bytes().starts_with(b"-") && word.len() > 1
}

/// Refuses arguments behind the manifest at `at`.
fn only_options(options: &Command, words: &[OsString], mut at: usize) -> Result<(), String> {
    let manifest = words.get(at).map(|word| word.display().to_string()).unwrap_or_default();
    at += 1;
    while let Some(length) = words.get(at).and_then(|word| length(options, word)) {
        at += length;
    }
    let is_separator = words.get(at).is_some_and(|word| word == "--");
    match words.get(at + usize::from(is_separator)) {
        Some(word) if is_separator || !is_option(word) => Err(format!(
            "{}: a manifest states its programs' arguments (`args` in {manifest}), and takes none behind it",
            word.display()
        )),
        _ => Ok(()),
    }
}

/// The position of the subcommand.
fn find_command(command: &Command, words: &[OsString]) -> Option<usize> {
    let mut at = 1;
    while let Some(length) = words.get(at).and_then(|word| length(command, word)) {
        at += length;
    }
    words.get(at).map(|_| at)
}

/// The error for a word among `all` that is not a command of ours, if there is a hint for it.
fn refuse_no_command(command: &Command, word: &OsStr, all: &[OsString]) -> Result<(), String> {
    if command.get_subcommands().any(|ours| ours.get_name() == word) {
        return Ok(());
    }
    let shown = word.display();
    if let Some((_, advice)) = FOREIGN_COMMANDS.iter().find(|(name, _)| word == *name) {
        return Err(format!("{shown} is a wasmtime command that capos does not have; {advice}"));
    }
    if is_runnable(word) {
        return Err(format!("{shown} is not a command; `capos run {shown}` runs it"));
    }
    let run = command.find_subcommand("run");
    if is_option(word)
        && run.is_some_and(|run| length(run, word).is_some())
        && all.iter().any(|word| is_runnable(word))
    {
        let rest: Vec<_> =
            all.iter().skip_while(|other| *other != word).map(|word| word.to_string_lossy()).collect();
        return Err(format!("{shown} is an option of `capos run`: `capos run {}`", rest.join(" ")));
    }
    Ok(())
}

/// Whether a word names what `capos run` takes.
fn is_runnable(word: &OsStr) -> bool {
    let extension = Path::new(word).extension().and_then(OsStr::to_str).unwrap_or_default();
    matches!(extension, "wasm" | "wat" | "cue")
}

/// Number of words of an option that begins with `word`; `None` if it is not an option of `command`.
fn length(command: &Command, word: &OsStr) -> Option<usize> {
    let word = word.to_str()?;
    if let Some(long) = word.strip_prefix("--").filter(|long| !long.is_empty()) {
        let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
        let named = |arg: &&Arg| {
            let aliases = arg.get_all_aliases().unwrap_or_default();
            arg.get_long() == Some(name) || aliases.contains(&name)
        };
        let arg = command.get_arguments().find(named)?;
        return Some(1 + usize::from(value.is_none() && wants_word(arg)));
    }
    let mut shorts = word.strip_prefix('-').filter(|shorts| !shorts.is_empty())?.chars();
    while let Some(short) = shorts.next() {
        let arg = command.get_arguments().find(|arg| arg.get_short() == Some(short))?;
        if wants_word(arg) {
            return Some(1 + usize::from(shorts.as_str().is_empty()));
        }
    }
    Some(1)
}

/// Whether the option's value may be the next word.
fn wants_word(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) && !arg.is_require_equals_set()
}

fn refuse_foreign(word: &OsStr) -> Result<(), String> {
    let word = word.to_string_lossy();
    let is = |name: &&str| match name.strip_prefix("--") {
        Some(_) => word.split('=').next() == Some(*name),
        None => word.starts_with(*name),
    };
    if let Some((_, advice)) = FOREIGN.iter().find(|(names, _)| names.iter().any(&is)) {
        return Err(format!("{word} is a wasmtime option that capos does not have; {advice}"));
    }
    match COMMON.iter().find(|(names, _)| names.iter().any(&is)) {
        Some((_, advice)) => Err(format!("{word} is not an option of capos; {advice}")),
        None => Ok(()),
    }
}

/// Refuses `--profile` with a value that it has for wasmtime.
fn refuse_profiler(word: &OsStr, next: Option<&OsString>) -> Result<(), String> {
    let word = word.to_string_lossy();
    let value = match word.split_once('=') {
        Some(("--profile", value)) => value.to_owned(),
        None if word == "--profile" => {
            next.map(|next| next.to_string_lossy().into_owned()).unwrap_or_default()
        }
        _ => return Ok(()),
    };
    match PROFILERS.iter().any(|profiler| value.split(',').next() == Some(*profiler)) {
        true => Err(format!(
            "--profile {value}: a profiler of wasmtime; capos has none, and --profile says how kernel and native programs were built"
        )),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    fn arranged(words: &str) -> Result<String, String> {
        let words = words.split(' ').map(OsString::from).collect();
        let words = arrange(&mut Cli::command(), words)?;
        Ok(words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn the_programs_words_begin_at_the_first_that_is_not_ours() {
        for (given, wanted) in [
            ("capos run app.wasm one two", "capos run app.wasm -- one two"),
            ("capos run --dir . app.wasm one", "capos run --dir . app.wasm -- one"),
            ("capos run --dir=. app.wasm one", "capos run --dir=. app.wasm -- one"),
            ("capos run -v app.wasm -v", "capos run -v app.wasm -- -v"),
            (
                "capos run app.wasm --dir . --clock one --dir x",
                "capos run app.wasm --dir . --clock -- one --dir x",
            ),
            ("capos run app.wasm -c print(1)", "capos run app.wasm -- -c print(1)"),
            ("capos run app.wasm --help", "capos run app.wasm -- --help"),
            ("capos run app.wasm --unknown x", "capos run app.wasm -- --unknown x"),
            ("capos run app.wasm -", "capos run app.wasm -- -"),
            ("capos run app.wasm -- --dir x", "capos run app.wasm -- --dir x"),
            ("capos run app.wasm one -- two", "capos run app.wasm -- one -- two"),
            ("capos run -- app.wasm one", "capos run app.wasm -- one"),
            ("capos run -- -x.wasm -y", "capos run ./-x.wasm -- -y"),
            ("capos run -- - -y", "capos run - -- -y"),
            ("capos run my.cue --timeout 5", "capos run my.cue --timeout 5"),
            ("capos --root . run app.wasm x", "capos --root . run app.wasm -- x"),
            ("capos run --root . app.wasm x", "capos run --root . app.wasm -- x"),
            ("capos run app.wasm", "capos run app.wasm"),
            ("capos run my.cue -v", "capos run my.cue -v"),
            ("capos run --iso x.iso", "capos run --iso x.iso"),
            ("capos run --help", "capos run --help"),
            ("capos check my.cue", "capos check my.cue"),
            ("capos", "capos"),
        ] {
            assert_eq!(arranged(given).as_deref(), Ok(wanted), "{given}");
        }
    }

    #[test]
    fn options_of_wasmtime_come_with_what_to_use_here() {
        for (given, wanted) in [
            ("capos run -S inherit-env=y app.wasm", "--env NAME"),
            ("capos run -Sinherit-env app.wasm", "--env NAME"),
            ("capos run --wasi inherit-env app.wasm", "--env NAME"),
            ("capos run -W max-memory-size=1 app.wasm", "--memory"),
            ("capos run --dir . -Wfuel=7 app.wasm", "--fuel"),
            ("capos run --wasm=fuel=7 app.wasm", "--fuel"),
            ("capos run --mapdir /x::. app.wasm", "--dir HOST::GUEST"),
            ("capos run --mapdir=/x::. app.wasm", "--dir HOST::GUEST"),
            ("capos run --inherit-env app.wasm", "--env NAME"),
            ("capos run --tcplisten 127.0.0.1:80 app.wasm", "no network"),
            ("capos run --wasm-timeout 5s app.wasm", "--wall-time"),
            ("capos run --max-memory-size 5 app.wasm", "--memory"),
            ("capos run --trap-unknown-imports app.wasm", "--unknown-imports=trap"),
            ("capos run -g app.wasm", "no debugger"),
            ("capos run --coredump-on-trap app.wasm", "backtrace"),
            ("capos run --profile=perfmap app.wasm", "capos has none"),
            ("capos run --profile guest,x app.wasm", "capos has none"),
            ("capos run --record x app.wasm", "--icount"),
            ("capos wizer app.wasm", "pre-initialized"),
            ("capos replay x", "--icount"),
            ("capos compile app.wasm", "capos run"),
            ("capos serve app.wasm", "no network"),
            ("capos explore app.wasm", "capos inspect"),
        ] {
            let error = arranged(given).unwrap_err();
            assert!(error.contains(wanted) && error.contains("wasmtime"), "{given}: {error}");
        }
        // After the program they are the program's.
        assert_eq!(arranged("capos run app.wasm -S x").as_deref(), Ok("capos run app.wasm -- -S x"));
    }

    #[test]
    fn options_of_other_tools_come_with_what_to_use_here() {
        for (given, wanted) in [
            ("capos run -e A=1 app.wasm", "--env NAME=VALUE"),
            ("capos run -EA=1 app.wasm", "--env NAME=VALUE"),
            ("capos run --env-all app.wasm", "--env NAME for each"),
            ("capos run -d . app.wasm", "--dir HOST::GUEST"),
            ("capos run -i app.wasm", "without an option"),
            ("capos run --network app.wasm", "no network"),
            ("capos run --cwd /x app.wasm", "--dir FOLDER::."),
        ] {
            let error = arranged(given).unwrap_err();
            assert!(error.contains(wanted) && error.contains("not an option of capos"), "{given}: {error}");
        }
        assert!(arranged("capos run --profile shipped app.wasm").is_ok());
    }

    #[test]
    fn arguments_behind_a_manifest_are_refused() {
        for given in ["capos run my.cue a b", "capos run my.cue --timeout 5 a", "capos run my.cue -- -a"] {
            let error = arranged(given).unwrap_err();
            assert!(error.contains("(`args` in my.cue)"), "{given}: {error}");
        }
    }

    #[test]
    fn options_of_run_without_it_come_with_the_whole_command() {
        let error = arranged("capos --dir . e.wasm one").unwrap_err();
        assert!(error.ends_with("`capos run --dir . e.wasm one`"), "{error}");
        assert!(arranged("capos --dir .").is_ok() && arranged("capos --nonsense e.wasm").is_ok());
    }

    #[test]
    fn a_program_in_the_place_of_a_command_is_not_run_but_told_how() {
        for file in ["app.wasm", "dir/app.wat", "my.cue"] {
            let error = arranged(&format!("capos {file} one")).unwrap_err();
            assert!(error.contains(&format!("`capos run {file}` runs it")), "{error}");
        }
        assert_eq!(arranged("capos rum x").as_deref(), Ok("capos rum x"));
    }
}
