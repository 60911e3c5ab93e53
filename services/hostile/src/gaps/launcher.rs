//! Starting the programs that are watched.

use capnp::capability::{Client, FromClientHook};
use capnp::message::{Builder, HeapAllocator, TypedReader};
use capnp::traits::HasTypeId;
use capos_abi::Rights;
use capos_package::{Package, PackageMessage, Passed, Program};
use capos_schema::console_capnp::console;
use capos_schema::device_capnp::pci_bus;
use capos_schema::diagnostics_capnp::diagnostics;
use capos_schema::entropy_capnp::entropy_source;
use capos_schema::manifest_capnp::boot_package;
use capos_schema::memory_capnp::memory_object;
use capos_schema::process_capnp::{limits, process, process_spawner};
use capos_schema::timer_capnp::timer;

/// What this process holds and passes on.
pub(crate) struct Launcher {
    package: Package,
    message: PackageMessage,
    spawner: process_spawner::Client,
    console: console::Client,
    timer: timer::Client,
    log: console::Client,
    entropy: entropy_source::Client,
    diagnostics: diagnostics::Client,
    boot_package: memory_object::Client,
    bus: pci_bus::Client,
}

fn failed(error: impl std::fmt::Display) -> capnp::Error {
    capnp::Error::failed(error.to_string())
}

fn pass<C: FromClientHook + HasTypeId + Clone>(name: &str, client: &C) -> Passed {
    let hook = client.clone().into_client_hook();
    Passed {
        name: name.to_owned(),
        client: Client::new(hook),
        interface: C::TYPE_ID,
        rights: Rights::READ | Rights::WRITE | Rights::EXECUTE,
    }
}

/// All that a process may have, at a priority.
fn generous(priority: u8) -> TypedReader<Builder<HeapAllocator>, limits::Owned> {
    let mut message = Builder::new_default();
    let mut limits = message.init_root::<limits::Builder<'_>>();
    limits.set_frames(1 << 25);
    limits.set_capability_slots(65536);
    limits.set_threads(4096);
    limits.set_priority(priority);
    message.into_typed().into_reader()
}

impl Launcher {
    /// Takes the grants of this process.
    pub(crate) async fn new() -> capnp::Result<Self> {
        let package = Package::map(capos_rt::grant("boot-package").map_err(failed)?).await?;
        let message = package.message()?;
        Ok(Self {
            package,
            message,
            spawner: capos_rt::grant("process-spawner").map_err(failed)?,
            console: capos_rt::grant("console").map_err(failed)?,
            timer: capos_rt::grant("timer").map_err(failed)?,
            log: capos_rt::grant("log").map_err(failed)?,
            entropy: capos_rt::grant("entropy").map_err(failed)?,
            diagnostics: capos_rt::grant("diagnostics").map_err(failed)?,
            boot_package: capos_rt::grant("boot-package").map_err(failed)?,
            bus: capos_rt::grant("pci-bus").map_err(failed)?,
        })
    }

    /// Starts a case: one of this program's own, or of the hostile program, which knows its grants by their order.
    pub(crate) async fn start(&self, case: &str, priority: u8) -> capnp::Result<process::Client> {
        let limits = generous(priority);
        let is_own = crate::case::NAMES.contains(&case);
        let program = Program {
            name: case,
            binary: if is_own { "gaps" } else { "hostile" },
            arguments: vec![case],
            environment: Vec::new(),
            grants: vec![
                pass("console", &self.console),
                pass("timer", &self.timer),
                pass("log", &self.log),
                pass("entropy", &self.entropy),
                pass("process-spawner", &self.spawner),
                pass("boot-package", &self.boot_package),
                pass("diagnostics", &self.diagnostics),
                pass("pci-bus", &self.bus),
            ],
            limits: limits.get()?,
            executable: is_own,
        };
        let root = self.message.get_root::<boot_package::Reader<'_>>()?;
        capos_package::start(&self.spawner, &self.package, root, program).await
    }

    /// Writes a line to the log.
    pub(crate) async fn note(&self, line: &str) -> capnp::Result<()> {
        let mut request = self.log.write_line_request();
        request.get().set_line(line);
        request.send().promise.await?;
        Ok(())
    }

    /// What the kernel finds wrong with itself.
    pub(crate) async fn self_check(&self) -> capnp::Result<Vec<String>> {
        let response = self.diagnostics.self_check_request().send().promise.await?;
        response.get()?.get_problems()?.iter().map(|line| Ok(line?.to_string()?)).collect()
    }

    /// The longest time that the kernel did not look for something else to run since this was last asked, in nanoseconds,
    /// and what it did meanwhile.
    pub(crate) async fn longest_stretch(&self) -> capnp::Result<(u64, String)> {
        let response = self.diagnostics.longest_stretch_request().send().promise.await?;
        let results = response.get()?;
        Ok((results.get_nanoseconds(), results.get_what()?.to_string()?))
    }
}
