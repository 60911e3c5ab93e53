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
    (&["--config", "--target", "--cache", "--disable-cache", "-g", "-q", "--quiet"], "not needed"),
];

/// Commands of wasmtime that capos does not have, or has under another name.
const FOREIGN_COMMANDS: [(&str, &str); 8] = [
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
            Some(word) => refuse_no_command(command, word).map(|()| words),
            None => Ok(words),
        };
    };
    let Some(options) = command.find_subcommand("run") else { return Ok(words) };
    let mut at = run + 1;
    while let Some(word) = words.get(at) {
        match length(options, word) {
            Some(length) => at += length,
            None if word == "--" => {
                // Everything after this is the program and its arguments.
                words.remove(at);
                break;
            }
            None => {
                refuse_foreign(word)?;
                break;
            }
        }
    }
    let Some(what) = words.get(at) else { return Ok(words) };
    let is_option = what.as_encoded_bytes().starts_with(b"-") && what.len() > 1;
    if is_option || Path::new(what).extension() == Some(OsStr::new("cue")) {
        return Ok(words);
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

/// The position of the subcommand.
fn find_command(command: &Command, words: &[OsString]) -> Option<usize> {
    let mut at = 1;
    while let Some(length) = words.get(at).and_then(|word| length(command, word)) {
        at += length;
    }
    words.get(at).map(|_| at)
}

/// The error for a word that is not a command of ours, if there is a hint for it.
fn refuse_no_command(command: &Command, word: &OsStr) -> Result<(), String> {
    if command.get_subcommands().any(|ours| ours.get_name() == word) {
        return Ok(());
    }
    let shown = word.display();
    if let Some((_, advice)) = FOREIGN_COMMANDS.iter().find(|(name, _)| word == *name) {
        return Err(format!("{shown} is a wasmtime command that capos does not have; {advice}"));
    }
    let extension = Path::new(word).extension().and_then(OsStr::to_str).unwrap_or_default();
    if matches!(extension, "wasm" | "wat" | "cue") {
        return Err(format!("{shown} is not a command; `capos run {shown}` runs it"));
    }
    Ok(())
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
    match FOREIGN.iter().find(|(names, _)| names.iter().any(&is)) {
        Some((_, advice)) => Err(format!("{word} is a wasmtime option that capos does not have; {advice}")),
        None => Ok(()),
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
            ("capos run -g app.wasm", "not needed"),
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
    fn a_program_in_the_place_of_a_command_is_not_run_but_told_how() {
        for file in ["app.wasm", "dir/app.wat", "my.cue"] {
            let error = arranged(&format!("capos {file} one")).unwrap_err();
            assert!(error.contains(&format!("`capos run {file}` runs it")), "{error}");
        }
        assert_eq!(arranged("capos rum x").as_deref(), Ok("capos rum x"));
    }
}
