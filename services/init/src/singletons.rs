//! The capabilities that the kernel hands to the first process.

use capnp::capability::{Client, FromClientHook};
use capnp::traits::HasTypeId;
use capos_abi::Rights;
use capos_package::Passed;
use capos_rt::GrantError;
use capos_schema::console_capnp::console;
use capos_schema::device_capnp::pci_bus;
use capos_schema::diagnostics_capnp::diagnostics;
use capos_schema::entropy_capnp::entropy_source;
use capos_schema::manifest_capnp::grant_entry;
use capos_schema::memory_capnp::memory_object;
use capos_schema::power_capnp::power;
use capos_schema::process_capnp::process_spawner;
use capos_schema::timer_capnp::{timer, wall_clock};

pub(crate) struct Singletons {
    pub(crate) console: console::Client,
    pub(crate) log: console::Client,
    timer: timer::Client,
    wall_clock: wall_clock::Client,
    entropy: entropy_source::Client,
    pub(crate) spawner: process_spawner::Client,
    pub(crate) power: power::Client,
    pub(crate) boot_package: memory_object::Client,
    diagnostics: diagnostics::Client,
    pub(crate) pci_bus: pci_bus::Client,
}

impl Singletons {
    pub(crate) fn from_bootstrap() -> Result<Self, GrantError> {
        Ok(Self {
            console: capos_rt::grant("console")?,
            log: capos_rt::grant("log")?,
            timer: capos_rt::grant("timer")?,
            wall_clock: capos_rt::grant("wall-clock")?,
            entropy: capos_rt::grant("entropy")?,
            spawner: capos_rt::grant("process-spawner")?,
            power: capos_rt::grant("power")?,
            boot_package: capos_rt::grant("boot-package")?,
            diagnostics: capos_rt::grant("diagnostics")?,
            pci_bus: capos_rt::grant("pci-bus")?,
        })
    }

    /// The system log, for a process of its own to write to.
    pub(crate) fn log(&self) -> Passed {
        pass("log", &self.log, Rights::WRITE | Rights::TRANSFER)
    }

    /// The serial console, for the process that keeps streams apart on it.
    pub(crate) fn line(&self) -> Passed {
        pass("line", &self.console, Rights::READ | Rights::WRITE | Rights::TRANSFER)
    }

    /// The grants of every server of a volume, whatever the volume lies on.
    pub(crate) fn of_server(&self) -> Vec<Passed> {
        let both = Rights::READ | Rights::WRITE | Rights::TRANSFER;
        vec![
            self.log(),
            pass("timer", &self.timer, both),
            pass("wall-clock", &self.wall_clock, both),
            pass("entropy", &self.entropy, both),
        ]
    }

    /// The boot package for who reads data in it and runs nothing.
    pub(crate) fn boot_package_to_read(&self) -> Passed {
        pass("boot-package", &self.boot_package, Rights::READ | Rights::TRANSFER)
    }

    /// The singleton that a grant names; `None` for what is none, or not the kernel's.
    pub(crate) fn get(&self, grant: grant_entry::Reader<'_>) -> capnp::Result<Option<Passed>> {
        let name = grant.get_name()?.to_str()?;
        let both = Rights::READ | Rights::WRITE | Rights::TRANSFER;
        Ok(Some(match grant.which()? {
            grant_entry::Log(()) => pass(name, &self.log, Rights::WRITE | Rights::TRANSFER),
            grant_entry::Timer(()) => pass(name, &self.timer, both),
            grant_entry::WallClock(()) => pass(name, &self.wall_clock, both),
            grant_entry::Entropy(()) => pass(name, &self.entropy, both),
            grant_entry::ProcessSpawner(()) => pass(name, &self.spawner, Rights::all()),
            grant_entry::Power(()) => pass(name, &self.power, both),
            grant_entry::BootPackage(()) => {
                pass(name, &self.boot_package, Rights::READ | Rights::EXECUTE | Rights::TRANSFER)
            }
            grant_entry::Diagnostics(()) => pass(name, &self.diagnostics, both),
            grant_entry::PciBus(()) => pass(name, &self.pci_bus, both),
            grant_entry::Console(())
            | grant_entry::Export(_)
            | grant_entry::Namespace(_)
            | grant_entry::Disk(_) => return Ok(None),
        }))
    }
}

fn pass<C: FromClientHook + HasTypeId + Clone>(name: &str, client: &C, rights: Rights) -> Passed {
    Passed {
        name: name.to_owned(),
        client: Client::new(client.clone().into_client_hook()),
        interface: C::TYPE_ID,
        rights,
    }
}
