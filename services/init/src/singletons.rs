//! The capabilities that the kernel passes to the first process.

use capos_abi::Rights;
use capos_package::Passed;
use capos_rt::{GrantError, grant};
use capos_schema::console_capnp::console;
use capos_schema::device_capnp::pci_bus;
use capos_schema::grants::{self, WellKnown, WellKnownGrant};
use capos_schema::memory_capnp::memory_object;
use capos_schema::power_capnp::power;
use capos_schema::process_capnp::process_spawner;

const BOTH: Rights = Rights::READ.union(Rights::WRITE).union(Rights::TRANSFER);

/// The capabilities that this process uses itself. All can be granted to others by name.
pub(crate) struct Singletons {
    pub(crate) log: console::Client,
    pub(crate) spawner: process_spawner::Client,
    pub(crate) power: power::Client,
    pub(crate) boot_package: memory_object::Client,
    pub(crate) pci_bus: pci_bus::Client,
}

impl Singletons {
    pub(crate) fn from_bootstrap() -> Result<Self, GrantError> {
        Ok(Self {
            log: grant(grants::LOG)?,
            spawner: grant(grants::PROCESS_SPAWNER)?,
            power: grant(grants::POWER)?,
            boot_package: grant(grants::BOOT_PACKAGE)?,
            pci_bus: grant(grants::PCI_BUS)?,
        })
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
