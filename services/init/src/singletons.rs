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
use capos_schema::grants;
use capos_schema::manifest_capnp::grant_entry;
use capos_schema::memory_capnp::memory_object;
use capos_schema::names;
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
            console: capos_rt::grant(grants::CONSOLE)?,
            log: capos_rt::grant(grants::LOG)?,
            timer: capos_rt::grant(grants::TIMER)?,
            wall_clock: capos_rt::grant(grants::WALL_CLOCK)?,
            entropy: capos_rt::grant(grants::ENTROPY)?,
            spawner: capos_rt::grant(grants::PROCESS_SPAWNER)?,
            power: capos_rt::grant(grants::POWER)?,
            boot_package: capos_rt::grant(grants::BOOT_PACKAGE)?,
            diagnostics: capos_rt::grant(grants::DIAGNOSTICS)?,
            pci_bus: capos_rt::grant(grants::PCI_BUS)?,
        })
    }

    /// The system log, for a process of its own to write to.
    pub(crate) fn log(&self) -> Passed {
        pass(grants::LOG.name, &self.log, Rights::WRITE | Rights::TRANSFER)
    }

    /// The serial console, for the process that keeps streams apart on it.
    pub(crate) fn line(&self) -> Passed {
        pass(names::LINE_GRANT, &self.console, Rights::READ | Rights::WRITE | Rights::TRANSFER)
    }

    /// The grants of every server of a volume, whatever the volume lies on.
    pub(crate) fn of_server(&self) -> Vec<Passed> {
        let both = Rights::READ | Rights::WRITE | Rights::TRANSFER;
        vec![
            self.log(),
            pass(grants::TIMER.name, &self.timer, both),
            pass(grants::WALL_CLOCK.name, &self.wall_clock, both),
            pass(grants::ENTROPY.name, &self.entropy, both),
        ]
    }

    /// The boot package for who reads data in it and runs nothing.
    pub(crate) fn boot_package_to_read(&self) -> Passed {
        pass(grants::BOOT_PACKAGE.name, &self.boot_package, Rights::READ | Rights::TRANSFER)
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
