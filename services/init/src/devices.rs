//! Finds devices on the PCI bus, and grants them.

use capnp::capability::{Client, FromClientHook};
use capnp::traits::HasTypeId;
use capos_abi::Rights;
use capos_package::Passed;
use capos_schema::device_capnp::{pci_bus, pci_device};
use capos_schema::manifest_capnp::device_ref;

const VIRTIO: u16 = 0x1af4;

/// A kind of device, identified by PCI ids.
pub(crate) struct Kind<'a> {
    /// Its name in messages.
    name: &'a str,
    vendor: u16,
    /// Alternative device ids of the kind.
    devices: &'a [u16],
}

/// Virtio disks: version 1, and transitional devices.
pub(crate) const DISK: Kind<'static> = Kind { name: "disk", vendor: VIRTIO, devices: &[0x1042, 0x1001] };
/// Virtio consoles: version 1, and transitional devices.
pub(crate) const CONSOLE: Kind<'static> =
    Kind { name: "virtio console", vendor: VIRTIO, devices: &[0x1043, 0x1003] };

/// Opens the device with number `index` of its kind, counted from 0 in bus order.
///
/// # Errors
/// If there are not that many, or it is already open.
pub(crate) async fn open(
    bus: &pci_bus::Client,
    kind: &Kind<'_>,
    index: u32,
) -> capnp::Result<pci_device::Client> {
    let response = bus.functions_request().send().promise.await?;
    let mut found = Vec::new();
    for function in response.get()?.get_functions()? {
        if function.get_vendor() == kind.vendor && kind.devices.contains(&function.get_device()) {
            found.push(function.get_address());
        }
    }
    let address = usize::try_from(index).ok().and_then(|index| found.get(index));
    let Some(&address) = address else {
        return Err(capnp::Error::failed(format!(
            "there is no {} {index}; the machine has {}",
            kind.name,
            found.len()
        )));
    };
    let mut request = bus.open_request();
    request.get().set_address(address);
    request.send().promise.await?.get()?.get_device()
}

/// An open device as the grant `name`.
pub(crate) fn passed(name: &str, device: pci_device::Client) -> Passed {
    Passed {
        name: name.to_owned(),
        client: Client::new(device.into_client_hook()),
        interface: pci_device::Client::TYPE_ID,
        rights: Rights::READ | Rights::WRITE,
    }
}

/// The device named by a grant.
///
/// # Errors
/// Those of [`open`].
pub(crate) async fn granted(
    bus: &pci_bus::Client,
    name: &str,
    wanted: device_ref::Reader<'_>,
) -> capnp::Result<Passed> {
    let devices: Vec<u16> = wanted.get_devices()?.iter().collect();
    let shown: Vec<String> = devices.iter().map(|device| format!("{device:04x}")).collect();
    let shown = format!("PCI device {:04x}:{}", wanted.get_vendor(), shown.join("|"));
    let kind = Kind { name: &shown, vendor: wanted.get_vendor(), devices: &devices };
    let device = open(bus, &kind, wanted.get_index())
        .await
        .map_err(|error| capnp::Error { extra: format!("the grant \"{name}\": {}", error.extra), ..error })?;
    Ok(passed(name, device))
}
