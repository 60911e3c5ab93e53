//! The capabilities that the kernel passes to the first process.

use capnp::capability::{Client, FromClientHook};
use capnp::traits::HasTypeId;
use capos_abi::Rights;
use capos_package::Passed;
use capos_rt::{GrantError, grant};
use capos_schema::console_capnp::console;
use capos_schema::device_capnp::pci_bus;
use capos_schema::grants::{self, WellKnown, WellKnownGrant};
use capos_schema::memory_capnp::memory_object;
use capos_schema::names;
use capos_schema::power_capnp::power;
use capos_schema::process_capnp::process_spawner;

const BOTH: Rights = Rights::READ.union(Rights::WRITE).union(Rights::TRANSFER);

/// The capabilities that this process uses itself. All can be granted to others by name.
pub(crate) struct Singletons {
    pub(crate) console: console::Client,
    pub(crate) log: console::Client,
    pub(crate) spawner: process_spawner::Client,
    pub(crate) power: power::Client,
    pub(crate) boot_package: memory_object::Client,
    pub(crate) pci_bus: pci_bus::Client,
}

impl Singletons {
    pub(crate) fn from_bootstrap() -> Result<Self, GrantError> {
        Ok(Self {
            console: grant(grants::CONSOLE)?,
            log: grant(grants::LOG)?,
            spawner: grant(grants::PROCESS_SPAWNER)?,
            power: grant(grants::POWER)?,
            boot_package: grant(grants::BOOT_PACKAGE)?,
            pci_bus: grant(grants::PCI_BUS)?,
        })
    }

    /// The system log, for another process to write to.
    pub(crate) fn log(&self) -> Passed {
        pass(grants::LOG.name, &self.log, Rights::WRITE | Rights::TRANSFER)
    }

    /// The serial console, for the process that multiplexes streams on it.
    pub(crate) fn line(&self) -> Passed {
        pass(names::LINE_GRANT, &self.console, BOTH)
    }

    /// The common grants of all volume servers.
    pub(crate) fn of_server(&self) -> capnp::Result<Vec<Passed>> {
        let all = [grants::LOG, grants::TIMER, grants::WALL_CLOCK, grants::ENTROPY];
        all.iter().map(|known| self.passed(known.grant, known.name)).collect()
    }

    /// The boot package without the right to execute.
    pub(crate) fn boot_package_to_read(&self) -> Passed {
        pass(grants::BOOT_PACKAGE.name, &self.boot_package, Rights::READ | Rights::TRANSFER)
    }

    /// A singleton as the grant `name`.
    ///
    /// # Errors
    /// If the kernel did not pass it.
    pub(crate) fn passed(&self, known: WellKnownGrant, name: &str) -> capnp::Result<Passed> {
        let (client, interface) = capos_rt::grant_untyped(WellKnown::of(known))?;
        let rights = match known {
            WellKnownGrant::Log => Rights::WRITE | Rights::TRANSFER,
            WellKnownGrant::ProcessSpawner => Rights::all(),
            WellKnownGrant::BootPackage => Rights::READ | Rights::EXECUTE | Rights::TRANSFER,
            _ => BOTH,
        };
        Ok(Passed { name: name.to_owned(), client, interface, rights })
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
