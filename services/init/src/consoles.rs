//! The target of the grant "console": the kernel's serial console, or a process that multiplexes the streams.

use capnp::capability::{Client, FromClientHook};
use capnp::traits::HasTypeId;
use capos_abi::Rights;
use capos_package::{Passed, Program};
use capos_rt::{Endpoint, spawn_local};
use capos_schema::console_capnp::console;
use capos_schema::endpoint_capnp::endpoint;
use capos_schema::manifest_capnp::ConsoleLine;
use capos_schema::names;

use crate::devices;
use crate::log;
use crate::servers::World;

/// Its name in the log.
const NAME: &str = "console";
/// All others wait for it, and it does little work.
const PRIORITY: u8 = 12;

/// The console of this run.
pub(crate) struct Console {
    client: console::Client,
    rights: Rights,
}

impl Console {
    /// Starts the console's server.
    ///
    /// # Errors
    /// If the machine has no such line, or the process does not start.
    pub(crate) async fn start(line: ConsoleLine, world: World) -> capnp::Result<Self> {
        let singletons = world.singletons;
        let (mode, grant) = match line {
            ConsoleLine::Serial => {
                let rights = Rights::READ | Rights::WRITE | Rights::TRANSFER;
                return Ok(Self { client: singletons.console.clone(), rights });
            }
            ConsoleLine::Virtio => {
                let device = devices::open(&singletons.pci_bus, &devices::CONSOLE, 0).await?;
                ("virtio", devices::passed(names::DEVICE_GRANT, device))
            }
            ConsoleLine::FramedSerial => ("serial", singletons.line()),
        };
        let endpoint = Endpoint::new()?;
        let receiver = Passed {
            name: names::CONSOLE_EXPORT.to_owned(),
            client: Client::new(endpoint.receiver().into_client_hook()),
            interface: endpoint::Client::TYPE_ID,
            rights: Rights::RECEIVE | Rights::MINT | Rights::CALL | Rights::TRANSFER,
        };
        let mut limits = capnp::message::Builder::new_default();
        limits.init_root::<capos_schema::process_capnp::limits::Builder<'_>>().set_priority(PRIORITY);
        let program = Program {
            name: NAME,
            // The boot package has it, unless the line is the plain one.
            binary: names::CONSOLE_SERVER,
            arguments: vec![mode],
            environment: Vec::new(),
            grants: vec![grant, receiver, singletons.log()],
            limits: limits.get_root_as_reader()?,
            executable: false,
        };
        let process = capos_package::start(&singletons.spawner, world.package, world.root, program).await?;
        // It serves until the system ends; if it fails, the log says so and its holders' calls fail.
        drop(spawn_local(crate::wait(NAME.to_owned(), process, singletons.log.clone(), false)));
        // This process drops the endpoint, so calls fail once the server has ended.
        Ok(Self { client: endpoint.mint(0)?, rights: Rights::CALL | Rights::TRANSFER })
    }

    /// The console as the grant `name`.
    pub(crate) fn passed(&self, name: &str) -> Passed {
        let client = Client::new(self.client.clone().into_client_hook());
        Passed { name: name.to_owned(), client, interface: console::Client::TYPE_ID, rights: self.rights }
    }

    /// Waits until all output has arrived. Returns whether it has.
    pub(crate) async fn flush(&self, log_to: &console::Client) -> bool {
        let flushed = self.client.flush_request().send().promise.await;
        if let Err(error) = &flushed {
            log(log_to, &format!("init: the console: output may be lost: {error}")).await;
        }
        flushed.is_ok()
    }
}
