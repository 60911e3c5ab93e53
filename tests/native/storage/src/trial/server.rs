//! File services started by the trial.

use std::rc::Rc;

use capnp::capability::{Client, FromClientHook};
use capnp::traits::HasTypeId;
use capos_abi::Rights;
use capos_package::{Package, PackageMessage, Passed, Program};
use capos_rt::{Endpoint, Revocable};
use capos_schema::block_capnp::block_device;
use capos_schema::console_capnp::console;
use capos_schema::endpoint_capnp::endpoint;
use capos_schema::entropy_capnp::entropy_source;
use capos_schema::errno_capnp::Errno;
use capos_schema::file_capnp::{namespace, volume};
use capos_schema::manifest_capnp::boot_package;
use capos_schema::process_capnp::{exit_cause, limits, process, process_spawner};
use capos_schema::timer_capnp::timer;

use crate::disk::Disk;
use crate::files::ask;

/// Capability slots of a service: each open object takes one.
const SLOTS: u32 = 17_000;

/// The capabilities for starting services.
pub(crate) struct Spawner {
    spawner: process_spawner::Client,
    package: Package,
    message: PackageMessage,
}

/// A file service over a disk of the trial.
pub(crate) struct Server {
    pub(crate) volume: volume::Client,
    pub(crate) process: process::Client,
    /// The service's capability to the disk.
    pub(crate) disk: Option<Revocable<block_device::Client>>,
}

fn pass<C: FromClientHook + HasTypeId + Clone>(name: &str, client: &C) -> Passed {
    let rights = Rights::READ | Rights::WRITE | Rights::CALL | Rights::TRANSFER;
    let client = Client::new(client.clone().into_client_hook());
    Passed { name: name.to_owned(), client, interface: C::TYPE_ID, rights }
}

impl Spawner {
    pub(crate) async fn new() -> capnp::Result<Self> {
        let package = Package::map(capos_rt::grant(capos_schema::grants::BOOT_PACKAGE)?).await?;
        let message = package.message()?;
        Ok(Self { spawner: capos_rt::grant(capos_schema::grants::PROCESS_SPAWNER)?, package, message })
    }

    /// Starts a service over `disk`.
    pub(crate) async fn over(&self, disk: &Rc<Disk>) -> capnp::Result<Server> {
        let client: block_device::Client = capos_rt::serve_rc(disk.clone());
        let disk = Revocable::new(&client)?;
        let passed = pass("disk", &disk.client());
        let (volume, process) = self.start(vec!["trial", "disk"], Some(passed)).await?;
        Ok(Server { volume, process, disk: Some(disk) })
    }

    /// Starts a service with a volume in memory.
    pub(crate) async fn in_memory(&self) -> capnp::Result<Server> {
        let (volume, process) = self.start(vec!["trial", "ram", "8388608"], None).await?;
        Ok(Server { volume, process, disk: None })
    }

    async fn start(
        &self,
        arguments: Vec<&str>,
        device: Option<Passed>,
    ) -> capnp::Result<(volume::Client, process::Client)> {
        let endpoint = Endpoint::new()?;
        let mut grants = vec![
            pass(
                capos_schema::grants::LOG.name,
                &capos_rt::grant::<console::Client>(capos_schema::grants::LOG)?,
            ),
            pass(
                capos_schema::grants::TIMER.name,
                &capos_rt::grant::<timer::Client>(capos_schema::grants::TIMER)?,
            ),
            pass(
                capos_schema::grants::ENTROPY.name,
                &capos_rt::grant::<entropy_source::Client>(capos_schema::grants::ENTROPY)?,
            ),
            Passed {
                name: "volume".to_owned(),
                client: Client::new(endpoint.receiver().into_client_hook()),
                interface: endpoint::Client::TYPE_ID,
                rights: Rights::RECEIVE | Rights::MINT | Rights::CALL | Rights::TRANSFER,
            },
        ];
        grants.extend(device);
        let mut message = capnp::message::Builder::new_default();
        message.init_root::<limits::Builder<'_>>().set_capability_slots(SLOTS);
        let program = Program {
            name: "tried",
            binary: "fs",
            arguments,
            environment: Vec::new(),
            grants,
            limits: message.get_root_as_reader()?,
            executable: false,
        };
        let root = self.message.get_root::<boot_package::Reader<'_>>()?;
        let process = capos_package::start(&self.spawner, &self.package, root, program).await?;
        Ok((endpoint.mint(0)?, process))
    }
}

impl Server {
    /// A directory with every right; its root for "".
    pub(crate) async fn namespace(&self, path: &str) -> capnp::Result<Result<namespace::Client, Errno>> {
        let mut request = self.volume.namespace_request();
        request.get().set_path(path.as_bytes());
        request.get().set_create(true);
        let mut rights = request.get().init_rights();
        rights.set_read(true);
        rights.set_write(true);
        rights.set_modify(true);
        let (error, response) = ask!(request);
        Ok(if error == Errno::Success { Ok(response.get()?.get_directory()?) } else { Err(error) })
    }

    /// The root, which must be available.
    pub(crate) async fn root(&self) -> capnp::Result<namespace::Client> {
        let found = self.namespace("").await?;
        found.map_err(|error| capnp::Error::failed(format!("the root: {error:?}")))
    }

    /// The end of the process: its status, or a description of another cause.
    pub(crate) async fn end(&self) -> capnp::Result<Result<i32, String>> {
        let response = self.process.wait_request().send().promise.await?;
        Ok(match response.get()?.get_cause()?.which()? {
            exit_cause::Exited(status) => Ok(status),
            exit_cause::Killed(()) => Err("killed".to_owned()),
            exit_cause::Fault(_) => Err("a fault".to_owned()),
            exit_cause::OutOfMemory(_) => Err("out of memory".to_owned()),
        })
    }

    /// Kills it; it must still be running.
    pub(crate) async fn kill(self) -> capnp::Result<()> {
        self.process.kill_request().send().promise.await?;
        crate::expect("the service's end", self.end().await?, Err("killed".to_owned()))
    }
}
