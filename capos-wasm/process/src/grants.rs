//! The host's grants, and the part of them that an instance gets.

use crate::{
    pipes::Ends,
    stdio::{self, Terminals},
};
use capos_rt::grant;
use capos_schema::{
    console_capnp::console,
    entropy_capnp::entropy_source,
    file_capnp::namespace,
    manifest_capnp::instance_entry,
    timer_capnp::{timer, wall_clock},
};
use capos_wasm::{
    Grants, Preopen,
    wasi::{FastClock, FastSleep},
};
use futures::future::LocalBoxFuture;
use std::rc::Rc;

/// The capabilities that the host was granted.
pub(crate) struct Held {
    pub(crate) console: Option<console::Client>,
    pub(crate) terminals: Terminals,
    pub(crate) log: Option<console::Client>,
    pub(crate) timer: Option<timer::Client>,
    pub(crate) fast_clock: Option<FastClock>,
    pub(crate) fast_sleep: Option<FastSleep>,
    wall_clock: Option<wall_clock::Client>,
    entropy: Option<entropy_source::Client>,
}

impl Held {
    /// Everything that is there under its name.
    pub(crate) async fn find() -> Self {
        let console: Option<console::Client> = grant(capos_schema::grants::CONSOLE).ok();
        let terminals = match &console {
            Some(console) => stdio::terminals(console).await,
            None => Terminals::default(),
        };
        let timer: Option<timer::Client> = grant(capos_schema::grants::TIMER).ok();
        Self {
            console,
            terminals,
            log: grant(capos_schema::grants::LOG).ok(),
            // The same clock as the Timer's, read from its page.
            fast_clock: timer.as_ref().map(|_| Rc::new(capos_rt::now_ns) as FastClock),
            fast_sleep: timer.as_ref().map(|_| Rc::new(sleep_until) as FastSleep),
            timer,
            wall_clock: grant(capos_schema::grants::WALL_CLOCK).ok(),
            entropy: grant(capos_schema::grants::ENTROPY).ok(),
        }
    }

    /// The grants that `entry` lists, with its ends of pipes; an error names those that the host does not hold itself.
    pub(crate) async fn for_instance(
        &self,
        entry: instance_entry::Reader<'_>,
        pipes: Ends,
    ) -> Result<Grants, String> {
        let console = pick(capos_schema::grants::CONSOLE.name, entry.get_console(), &self.console)?;
        let timer = pick(capos_schema::grants::TIMER.name, entry.get_timer(), &self.timer)?;
        Ok(Grants {
            stdin: stdio::source(entry.get_stdin(), &console, self.terminals.input, pipes.stdin)
                .await
                .map_err(of("stdin"))?,
            stdout: stdio::sink(entry.get_stdout(), &console, self.terminals.output, pipes.stdout)
                .await
                .map_err(of("stdout"))?,
            stderr: stdio::sink(entry.get_stderr(), &console, self.terminals.errors, pipes.stderr)
                .await
                .map_err(of("stderr"))?,
            preopens: preopens(entry).map_err(|error| error.to_string())?,
            fast_clock: self.fast_clock.clone().filter(|_| timer.is_some()),
            fast_sleep: self.fast_sleep.clone().filter(|_| timer.is_some()),
            timer,
            wall_clock: pick(
                capos_schema::grants::WALL_CLOCK.name,
                entry.get_wall_clock(),
                &self.wall_clock,
            )?,
            entropy: pick(capos_schema::grants::ENTROPY.name, entry.get_entropy(), &self.entropy)?,
        })
    }
}

/// Names the field of an entry that an error is about.
fn of(field: &str) -> impl Fn(String) -> String {
    move |reason| format!("`{field}`: {reason}")
}

/// The directories that `entry` lists, each granted to this host under the name that the entry gives.
fn preopens(entry: instance_entry::Reader<'_>) -> capnp::Result<Vec<Preopen>> {
    let mut preopens = Vec::new();
    for preopen in entry.get_preopens()? {
        let path = preopen.get_guest()?.to_str()?.to_owned();
        preopens.push(Preopen { path, directory: directory(preopen.get_grant()?.to_str()?)? });
    }
    Ok(preopens)
}

/// The directory that this host was granted under `name`.
pub(crate) fn directory(name: &str) -> capnp::Result<namespace::Client> {
    grant(name).map_err(|error| capnp::Error::failed(format!("the directory {name:?}: {error}")))
}

fn sleep_until(deadline_ns: u64) -> LocalBoxFuture<'static, ()> {
    Box::pin(capos_rt::sleep_until_ns(deadline_ns))
}

fn pick<T: Clone>(name: &str, wanted: bool, held: &Option<T>) -> Result<Option<T>, String> {
    match (wanted, held) {
        (false, _) => Ok(None),
        (true, Some(held)) => Ok(Some(held.clone())),
        (true, None) => Err(format!("its entry grants {name}, which the host was not granted")),
    }
}
