//! Disks: their PCI devices, and the driver process of each.

use crate::devices;
use crate::singletons::Singletons;
use capnp::capability::{Client, FromClientHook};
use capnp::traits::HasTypeId;
use capos_abi::Rights;
use capos_package::{Package, Passed, Program};
use capos_rt::{Endpoint, spawn_local};
use capos_schema::block_capnp::block_device;
use capos_schema::endpoint_capnp::endpoint;
use capos_schema::manifest_capnp::boot_package;
use capos_schema::names;
use capos_schema::process_capnp::{limits, process};

/// A disk driven by a process.
pub(crate) struct Disk {
    /// For a single holder. It fails as disconnected after the driver has ended.
    pub(crate) device: block_device::Client,
    /// The driver. After its end the disk can be restarted.
    pub(crate) process: process::Client,
}

/// Starts the driver of the virtio disk with number `index`, counted from 0 in bus order, as the process `name`. The
/// driver holds only that PCI device and the system log. Calls to the disk wait until it is ready.
///
/// A disk can be started again only after its process has ended and the last capability to its device is gone. Without
/// `limits` the driver has the defaults.
///
/// # Errors
/// If there are not that many disks, the disk already has a driver, or the process does not start.
pub(crate) async fn start(
    index: u32,
    name: &str,
    limits: Option<limits::Reader<'_>>,
    root: boot_package::Reader<'_>,
    package: &Package,
    singletons: &Singletons,
) -> capnp::Result<Disk> {
    let device = devices::open(&singletons.pci_bus, &devices::DISK, index).await?;
    let endpoint = Endpoint::new()?;
    let grants = vec![
        devices::passed(names::DEVICE_GRANT, device),
        Passed {
            name: names::DISK_EXPORT.to_owned(),
            client: Client::new(endpoint.receiver().into_client_hook()),
            interface: endpoint::Client::TYPE_ID,
            rights: Rights::RECEIVE | Rights::MINT | Rights::CALL | Rights::TRANSFER,
        },
        singletons.log(),
    ];
    let defaults = capnp::message::Builder::new_default();
    let limits = match limits {
        Some(limits) => limits,
        None => defaults.get_root_as_reader()?,
    };
    let program = Program {
        name,
        binary: names::DISK_DRIVER,
        arguments: Vec::new(),
        environment: Vec::new(),
        grants,
        limits,
        executable: false,
    };
    let process = capos_package::start(&singletons.spawner, package, root, program).await?;
    // This process drops the device and the endpoint, so both end with the driver.
    Ok(Disk { device: endpoint.mint(0)?, process })
}

/// A disk for `holder` alone, as the grant `name`, with a separate driver process.
pub(crate) async fn granted(
    holder: &str,
    name: &str,
    index: u32,
    root: boot_package::Reader<'_>,
    package: &Package,
    singletons: &Singletons,
) -> capnp::Result<Passed> {
    let driver = format!("{holder}/{name}");
    let Disk { device, process } = start(index, &driver, None, root, package, singletons).await?;
    // It serves as long as it is needed; if it fails, the log says so and its holder's calls fail.
    drop(spawn_local(crate::wait(driver, process, singletons.log.clone(), false)));
    Ok(passed(name, device))
}

/// A disk as the grant `name`.
pub(crate) fn passed(name: &str, device: block_device::Client) -> Passed {
    let rights = Rights::CALL | Rights::TRANSFER;
    let client = Client::new(device.into_client_hook());
    Passed { name: name.to_owned(), client, interface: block_device::Client::TYPE_ID, rights }
}
