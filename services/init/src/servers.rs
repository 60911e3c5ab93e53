//! The processes behind a volume, its server and the driver of its disk: started, watched, and restarted together.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use capnp::capability::{Client, FromClientHook};
use capnp::traits::HasTypeId;
use capos_abi::Rights;
use capos_package::{Package, Passed, Program};
use capos_restart::{Backoff, Restart};
use capos_rt::{Endpoint, JoinHandle, spawn_local};
use capos_schema::endpoint_capnp::endpoint;
use capos_schema::manifest_capnp::{boot_package, volume_entry};
use capos_schema::names;
use capos_schema::process_capnp::process;

use crate::disks::{self, Disk};
use crate::singletons::Singletons;
use crate::volumes::Served;
use crate::{INIT_FAILED, log, status};

/// The state needed to start a server.
#[derive(Clone, Copy)]
pub(crate) struct World {
    pub(crate) root: boot_package::Reader<'static>,
    pub(crate) package: &'static Package,
    pub(crate) singletons: &'static Singletons,
}

/// A process that is being watched.
pub(crate) struct Watched {
    name: String,
    process: process::Client,
    end: JoinHandle<(String, u8)>,
}

impl Watched {
    fn new(name: String, process: process::Client) -> Self {
        let watched = process.clone();
        let end = spawn_local(async move {
            let end = status::of(&watched, false).await;
            end.unwrap_or_else(|error| (format!("cannot be watched: {error}"), INIT_FAILED))
        });
        Self { name, process, end }
    }
}

/// The end of a process.
struct Ended {
    name: String,
    how: String,
    status: u8,
}

/// Waits for the next of `running` to end, and removes it. Returns `None` if none is left.
async fn next_end(running: &mut Vec<Watched>) -> Option<Ended> {
    poll_fn(|context| {
        if running.is_empty() {
            return Poll::Ready(None);
        }
        let mut ended = None;
        running.retain_mut(|watched| {
            if ended.is_some() {
                return true;
            }
            let Poll::Ready((how, status)) = Pin::new(&mut watched.end).poll(context) else { return true };
            ended = Some(Ended { name: std::mem::take(&mut watched.name), how, status });
            false
        });
        if ended.is_some() { Poll::Ready(ended) } else { Poll::Pending }
    })
    .await
}

/// Starts the server of the volume of `entry`, which receives at `endpoint`, after the driver of its disk if it has one.
///
/// # Errors
/// If one of them does not start. A driver that was already started ends, since its capabilities are dropped.
pub(crate) async fn start(
    entry: volume_entry::Reader<'_>,
    endpoint: &Endpoint,
    world: World,
) -> capnp::Result<Vec<Watched>> {
    let World { root, package, singletons } = world;
    let name = entry.get_name()?.to_str()?;
    let mut running = Vec::new();
    let mut grants = singletons.of_server()?;
    let arguments = match entry.which()? {
        volume_entry::Ram(bytes) => vec!["ram".to_owned(), bytes.to_string()],
        volume_entry::Packed(image) => {
            grants.push(singletons.boot_package_to_read());
            vec!["packed".to_owned(), image?.to_string()?]
        }
        volume_entry::Disk(index) => {
            let driver = format!("volume {name}/disk");
            let Disk { device, process } =
                disks::start(index, &driver, None, root, package, singletons).await?;
            running.push(Watched::new(driver, process));
            grants.push(disks::passed(names::DISK_GRANT, device));
            let mode = entry.get_read_only().then(|| "read-only".to_owned());
            std::iter::once("disk".to_owned()).chain(mode).collect()
        }
    };
    grants.push(Passed {
        name: names::VOLUME_EXPORT.to_owned(),
        client: Client::new(endpoint.receiver().into_client_hook()),
        interface: endpoint::Client::TYPE_ID,
        rights: Rights::RECEIVE | Rights::MINT | Rights::CALL | Rights::TRANSFER,
    });
    let program = Program {
        name,
        binary: names::VOLUME_SERVER,
        arguments: arguments.iter().map(String::as_str).collect(),
        environment: Vec::new(),
        grants,
        limits: entry.get_limits()?,
        executable: false,
    };
    let process = capos_package::start(&singletons.spawner, package, root, program).await?;
    running.push(Watched::new(format!("volume {name}"), process));
    Ok(running)
}

/// Watches the processes behind a volume, and their restarts according to the policy of `entry`. Each end is logged. None
/// of them ends the run, or fails it unless a process needed the volume.
pub(crate) async fn watch(
    entry: volume_entry::Reader<'static>,
    world: World,
    mut running: Vec<Watched>,
    served: Rc<Served>,
) {
    // The entry was read when the server was started.
    let policy = entry.get_restart().and_then(Restart::read).unwrap_or_default();
    let log_to = &world.singletons.log;
    let mut backoff = Backoff::new();
    let mut restarts = 0u32;
    let mut begun = capos_rt::now_ns();
    while let Some(Ended { name, how, status }) = next_end(&mut running).await {
        if !policy.follows(status != 0, restarts) {
            log(log_to, &format!("init: {name}: {how}")).await;
            continue;
        }
        let endpoint = match served.renew() {
            Ok(endpoint) => endpoint,
            Err(error) => return log(log_to, &format!("init: {name}: {how}, for good: {error}")).await,
        };
        restarts = restarts.saturating_add(1);
        log(log_to, &format!("init: {name}: {how}; restart {restarts}")).await;
        // Both restart together: whether the server's last writes were flushed by the driver is unknown.
        for other in &running {
            other.process.kill_request().send().promise.await.ok();
        }
        while let Some(Ended { name, how, .. }) = next_end(&mut running).await {
            log(log_to, &format!("init: {name}: {how}")).await;
        }
        let ended = capos_rt::now_ns();
        capos_rt::sleep_until_ns(ended.saturating_add(backoff.pause_ns(ended.saturating_sub(begun)))).await;
        begun = capos_rt::now_ns();
        // If it does not start, waiting callers fail, because nothing receives at the endpoint any more.
        match start(entry, &endpoint, world).await {
            Ok(started) => running = started,
            Err(error) => log(log_to, &format!("init: {name}: did not start again: {error}")).await,
        }
    }
}
