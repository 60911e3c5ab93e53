//! Standard streams as described by a manifest entry.

use crate::directories::directory;
use capos_schema::{
    console_capnp::console,
    errno_capnp::Errno,
    file_capnp::{file, namespace},
    manifest_capnp::{stdio, stdio_file},
};
use capos_wasm::{PipeReader, PipeWriter, Sink, Source};

type Console = Option<console::Client>;

/// Which of a console's streams are terminals.
#[derive(Clone, Copy, Default)]
pub(crate) struct Terminals {
    pub(crate) input: bool,
    pub(crate) output: bool,
    pub(crate) errors: bool,
}

/// Asks the console. If it does not answer, none are.
pub(crate) async fn terminals(console: &console::Client) -> Terminals {
    ask_terminals(console).await.unwrap_or_default()
}

async fn ask_terminals(console: &console::Client) -> capnp::Result<Terminals> {
    let response = console.terminals_request().send().promise.await?;
    let found = response.get()?;
    Ok(Terminals {
        input: found.get_input()?.get_is_terminal(),
        output: found.get_output()?.get_is_terminal(),
        errors: found.get_errors()?.get_is_terminal(),
    })
}

/// The source of standard input. An error says what is wrong with it. `pipe` is the pipe end named by the entry,
/// if there is one; `is_terminal` says whether the console's input is a terminal.
pub(crate) async fn source(
    stdio: capnp::Result<stdio::Reader<'_>>,
    console: &Console,
    is_terminal: bool,
    pipe: Option<PipeReader>,
) -> Result<Option<Source>, String> {
    match which(stdio)? {
        stdio::Console(()) if is_terminal => Ok(console.clone().map(Source::Console)),
        stdio::Console(()) | stdio::Stream(()) => Ok(console.clone().map(Source::Stream)),
        stdio::Closed(()) => Ok(None),
        stdio::Pipe(_) => Ok(pipe.map(Source::Pipe)),
        stdio::File(at) => open(at, Direction::Input).await.map(|file| Some(Source::File(file))),
    }
}

/// The destination of standard output or error; `is_terminal` says whether that output of the console is a
/// terminal.
pub(crate) async fn sink(
    stdio: capnp::Result<stdio::Reader<'_>>,
    console: &Console,
    is_terminal: bool,
    pipe: Option<PipeWriter>,
) -> Result<Option<Sink>, String> {
    match which(stdio)? {
        stdio::Console(()) if is_terminal => Ok(console.clone().map(Sink::Console)),
        stdio::Console(()) | stdio::Stream(()) => Ok(console.clone().map(Sink::Stream)),
        stdio::Closed(()) => Ok(None),
        stdio::Pipe(_) => Ok(pipe.map(Sink::Pipe)),
        stdio::File(at) => open(at, Direction::Output).await.map(|file| Some(Sink::File(file))),
    }
}

type Which<'a> = stdio::WhichReader<'a>;

fn which<'a>(stdio: capnp::Result<stdio::Reader<'a>>) -> Result<Which<'a>, String> {
    let which = stdio.and_then(|stdio| Ok(stdio.which()?));
    which.map_err(|error| error.to_string())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Input,
    Output,
}

/// Opens the file. For output, it is created, and truncated unless output is to be appended.
async fn open(
    at: capnp::Result<stdio_file::Reader<'_>>,
    direction: Direction,
) -> Result<file::Client, String> {
    let failed = |error: capnp::Error| error.to_string();
    let at = at.map_err(failed)?;
    let path = at.get_path().map_err(failed)?.to_str().map_err(|error| error.to_string())?;
    let grant = at.get_grant().map_err(failed)?.to_str().map_err(|error| error.to_string())?;
    let directory = directory(grant).map_err(failed)?;
    let opened = ask(directory, path, direction, at.get_append()).await.map_err(failed)?;
    opened.map_err(|errno| format!("the file {path:?} {}", in_words(errno)))
}

/// The reason that a file cannot be opened.
fn in_words(errno: Errno) -> String {
    let reason = match errno {
        Errno::NoEntry => "is not there",
        Errno::IsDirectory => "is a directory",
        Errno::NotDirectory => "has a file in its path where a directory was expected",
        Errno::Loop => "is behind too many symbolic links",
        Errno::NameTooLong => "has a name that is too long",
        Errno::NoSpace => "cannot be made: its volume is full",
        Errno::Quota => "cannot be made: the quota of its directory is used up",
        Errno::ReadOnly => "cannot be written: its volume is read-only",
        Errno::Access | Errno::NotPermitted | Errno::NotCapable => "may not be opened",
        other => return format!("cannot be opened: {other:?}"),
    };
    reason.to_owned()
}

async fn ask(
    directory: namespace::Client,
    path: &str,
    direction: Direction,
    append: bool,
) -> capnp::Result<Result<file::Client, Errno>> {
    let mut request = directory.open_request();
    let mut params = request.get();
    // A path in a manifest is relative to the directory, with or without a leading slash.
    params.set_path(path.trim_start_matches('/').as_bytes());
    params.set_follow(true);
    let mut flags = params.init_flags();
    flags.set_read(direction == Direction::Input);
    if direction == Direction::Output {
        flags.set_write(true);
        flags.set_create(true);
        flags.set_truncate(!append);
    }
    let response = request.send().promise.await?;
    let results = response.get()?;
    match results.get_error()? {
        Errno::Success if results.has_file() => Ok(Ok(results.get_file()?)),
        Errno::Success => Ok(Err(Errno::IsDirectory)),
        error => Ok(Err(error)),
    }
}
