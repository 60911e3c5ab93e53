//! The host's grants, and the part of them that each instance receives.

use crate::{
    directories::preopens,
    named::Named,
    pipes::PipeEnds,
    stdio::{self, Terminals},
};
use capos_rt::grant;
use capos_schema::{console_capnp::console, grants, manifest_capnp::instance_entry, timer_capnp::timer};
use capos_wasm::{FastClock, FastSleep, Grants, NamedGrant, well_known};
use futures::future::LocalBoxFuture;
use std::rc::Rc;

/// The capabilities that the host was granted.
pub(crate) struct HostGrants {
    terminals: Terminals,
    pub(crate) log: Option<console::Client>,
    pub(crate) timer: Option<timer::Client>,
    pub(crate) fast_clock: Option<FastClock>,
    pub(crate) fast_sleep: Option<FastSleep>,
    named: Named,
}

impl HostGrants {
    /// Gets everything that was granted to the host itself and for `instances`.
    pub(crate) async fn find<'a>(
        instances: impl Iterator<Item = instance_entry::Reader<'a>>,
    ) -> capnp::Result<Self> {
        let terminals = match grant::<console::Client>(grants::CONSOLE) {
            Ok(console) => stdio::terminals(&console).await,
            Err(_) => Terminals::default(),
        };
        let timer: Option<timer::Client> = grant(grants::TIMER).ok();
        Ok(Self {
            terminals,
            log: grant(grants::LOG).ok(),
            // The same clock as the Timer's, read from its page.
            fast_clock: timer.as_ref().map(|_| capos_rt::now_ns as FastClock),
            fast_sleep: timer.as_ref().map(|_| Rc::new(sleep_until) as FastSleep),
            timer,
            named: Named::for_instances(instances)?,
        })
    }

    /// The grants that `entry` lists, with its ends of pipes. An error names those that the host does not have.
    pub(crate) async fn for_instance(
        &self,
        entry: instance_entry::Reader<'_>,
        pipes: PipeEnds,
    ) -> Result<(Grants, Vec<NamedGrant>), String> {
        let (named, own) = self.named.of_instance(entry).map_err(|error| error.extra)?;
        let failed = |error: capos_wasm::WrongInterface| error.to_string();
        let console: Option<console::Client> = well_known(&named, &grants::CONSOLE).map_err(failed)?;
        let terminals = match &console {
            Some(console) if !own.contains(&grants::CONSOLE) => stdio::terminals(console).await,
            _ => self.terminals,
        };
        let has_own_timer = own.contains(&grants::TIMER);
        let grants = Grants {
            stdin: stdio::source(entry.get_stdin(), &console, terminals.input, pipes.stdin)
                .await
                .map_err(of("stdin"))?,
            stdout: stdio::sink(entry.get_stdout(), &console, terminals.output, pipes.stdout)
                .await
                .map_err(of("stdout"))?,
            stderr: stdio::sink(entry.get_stderr(), &console, terminals.errors, pipes.stderr)
                .await
                .map_err(of("stderr"))?,
            preopens: preopens(entry).map_err(|error| error.to_string())?,
            // The time page belongs to the host's own timer and cannot be read for another one.
            fast_clock: self.fast_clock.filter(|_| has_own_timer),
            fast_sleep: self.fast_sleep.clone().filter(|_| has_own_timer),
            timer: well_known(&named, &grants::TIMER).map_err(failed)?,
            wall_clock: well_known(&named, &grants::WALL_CLOCK).map_err(failed)?,
            entropy: well_known(&named, &grants::ENTROPY).map_err(failed)?,
        };
        Ok((grants, named))
    }
}

/// Prefixes an error with the field of an entry that it concerns.
fn of(field: &str) -> impl Fn(String) -> String {
    move |reason| format!("`{field}`: {reason}")
}

fn sleep_until(deadline_ns: u64) -> LocalBoxFuture<'static, ()> {
    Box::pin(capos_rt::sleep_until_ns(deadline_ns))
}
