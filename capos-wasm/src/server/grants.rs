//! Capabilities out of a message.

use crate::{Grants, Preopen, Sink, Source};
use capnp::Error;
use capos_schema::{
    console_capnp::{console, terminal},
    wasm_capnp::instance_grants,
};

/// More preopened directories than this are refused.
const MAX_PREOPENS: u32 = 256;

/// Takes the capabilities out of a message; null ones are not granted. A program takes consoles for what they say that
/// they are.
pub(super) async fn grants(reader: instance_grants::Reader<'_>) -> Result<Grants, Error> {
    let mut grants = read(reader)?;
    let stdin = grants.stdin.take();
    let stdout = grants.stdout.take();
    let stderr = grants.stderr.take();
    (grants.stdin, grants.stdout, grants.stderr) = futures::join!(
        async {
            match stdin {
                Some(Source::Console(console)) if !is_terminal(&console, |all| all.get_input()).await => {
                    Some(Source::Stream(console))
                }
                other => other,
            }
        },
        shown(stdout, |all| all.get_output()),
        shown(stderr, |all| all.get_errors()),
    );
    Ok(grants)
}

type Terminals<'a> = console::terminals_results::Reader<'a>;
/// One of the terminals of a console.
type Which = for<'a> fn(Terminals<'a>) -> capnp::Result<terminal::Reader<'a>>;

async fn shown(sink: Option<Sink>, which: Which) -> Option<Sink> {
    match sink {
        Some(Sink::Console(console)) if !is_terminal(&console, which).await => Some(Sink::Stream(console)),
        other => other,
    }
}

/// Whether a stream of the console is a terminal. A console that does not say is one.
async fn is_terminal(console: &console::Client, which: Which) -> bool {
    let response = console.terminals_request().send().promise.await;
    let found = response.as_ref().map_err(Clone::clone).and_then(|response| which(response.get()?));
    found.map_or(true, |terminal| terminal.get_is_terminal())
}

fn read(reader: instance_grants::Reader<'_>) -> Result<Grants, Error> {
    macro_rules! take {
        ($has:ident, $get:ident) => {
            if reader.$has() { Some(reader.$get()?) } else { None }
        };
    }
    let list = reader.get_preopens()?;
    if list.len() > MAX_PREOPENS {
        return Err(Error::failed(format!("more than {MAX_PREOPENS} preopened directories")));
    }
    let mut preopens = Vec::with_capacity(list.len() as usize);
    for preopen in list {
        let path = preopen.get_path()?.to_str()?.to_owned();
        preopens.push(Preopen { path, directory: preopen.get_directory()? });
    }
    let stdin_file = take!(has_stdin_file, get_stdin_file).map(Source::File);
    let stdout_file = take!(has_stdout_file, get_stdout_file).map(Sink::File);
    let stderr_file = take!(has_stderr_file, get_stderr_file).map(Sink::File);
    Ok(Grants {
        stdin: take!(has_stdin, get_stdin).map(Source::Console).or(stdin_file),
        stdout: take!(has_stdout, get_stdout).map(Sink::Console).or(stdout_file),
        stderr: take!(has_stderr, get_stderr).map(Sink::Console).or(stderr_file),
        preopens,
        timer: take!(has_timer, get_timer),
        // The page behind another process's timer is not this process's to read.
        fast_clock: None,
        fast_sleep: None,
        wall_clock: take!(has_wall_clock, get_wall_clock),
        entropy: take!(has_entropy, get_entropy),
    })
}
