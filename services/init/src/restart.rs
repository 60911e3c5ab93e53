//! Watches processes, and restarts them according to their policies.

use crate::consoles::Console;
use crate::singletons::Singletons;
use crate::spawn::{self, Endpoints};
use crate::volumes::Volumes;
use crate::{INIT_FAILED, log, status};
use capos_package::Package;
use capos_restart::{Backoff, Restart};
use capos_schema::manifest_capnp::{boot_package, process_entry};
use capos_schema::process_capnp::process;
use std::cell::RefCell;

/// The state needed to start processes.
pub(crate) struct Setup {
    pub(crate) root: boot_package::Reader<'static>,
    pub(crate) package: &'static Package,
    pub(crate) singletons: &'static Singletons,
    pub(crate) console: Console,
    pub(crate) volumes: &'static Volumes,
    pub(crate) endpoints: RefCell<Endpoints>,
}

impl Setup {
    /// Starts the process of `entry`.
    pub(crate) async fn start(&self, entry: process_entry::Reader<'_>) -> capnp::Result<process::Client> {
        // Copy the capabilities: others may be started, and endpoints renewed, before this is done.
        let endpoints = self.endpoints.borrow().clone();
        spawn::start(entry, self, &endpoints).await
    }

    /// Logs why a process did not start.
    pub(crate) async fn not_started(&self, name: &str, error: &capnp::Error) -> u8 {
        log(&self.singletons.log, &format!("init: {name}: did not start: {error}")).await;
        status::NOT_STARTED
    }
}

/// Whether the process of `entry` may be restarted.
pub(crate) fn may_restart(entry: process_entry::Reader<'_>) -> capnp::Result<bool> {
    Ok(Restart::read(entry.get_restart()?)? != Restart::Never)
}

/// Waits for the end of the process `first` of `entry`, and of its restarts. Each end is logged; the result is the
/// status of the last one.
pub(crate) async fn watch(
    setup: &'static Setup,
    entry: process_entry::Reader<'static>,
    name: &str,
    first: process::Client,
) -> u8 {
    // The entry was read when the process was started.
    let policy = entry.get_restart().and_then(Restart::read).unwrap_or_default();
    let log_to = &setup.singletons.log;
    let mut backoff = Backoff::new();
    let mut process = first;
    let mut restarts = 0u32;
    loop {
        let begun = capos_rt::now_ns();
        let (end, status) = match status::of(&process, entry.get_expect_fault()).await {
            Ok(end) => end,
            Err(error) => {
                log(log_to, &format!("init: {name}: cannot be watched: {error}")).await;
                return INIT_FAILED;
            }
        };
        if !policy.follows(status != 0, restarts) {
            log(log_to, &format!("init: {name}: {end}")).await;
            return status;
        }
        restarts = restarts.saturating_add(1);
        log(log_to, &format!("init: {name}: {end}; restart {restarts}")).await;
        drop(process);
        // Holders of the ended process's exports must not reach the next one, which does not know the objects
        // that the last one gave out: its exports are new.
        let renewed = setup.endpoints.borrow_mut().renew(name);
        if let Err(error) = renewed {
            log(log_to, &format!("init: {name}: {error}")).await;
            return INIT_FAILED;
        }
        let ended = capos_rt::now_ns();
        capos_rt::sleep_until_ns(ended.saturating_add(backoff.pause_ns(ended.saturating_sub(begun)))).await;
        process = match setup.start(entry).await {
            Ok(process) => process,
            Err(error) => return setup.not_started(name, &error).await,
        };
    }
}
