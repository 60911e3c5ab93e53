//! Finds devices on the PCI bus, and grants them.

use capnp::capability::{Client, FromClientHook};
use capnp::traits::HasTypeId;
use capos_abi::Rights;
use capos_package::Passed;
use capos_schema::device_capnp::{pci_bus, pci_device};
use capos_schema::manifest_capnp::device_ref;

/// Opens the device that a grant names: of those with its PCI numbers, counted from 0 in bus order, the one with its index.
///
/// # Errors
/// If there are fewer, or another process has it open.
pub(crate) async fn open(
    bus: &pci_bus::Client,
    wanted: device_ref::Reader<'_>,
) -> capnp::Result<pci_device::Client> {
    let devices: Vec<u16> = wanted.get_devices()?.iter().collect();
    let index = wanted.get_index();
    let mut seen = 0;
    let found = capos_pci::search(bus, |function| {
        let is_one = function.vendor == wanted.get_vendor() && devices.contains(&function.device);
        seen += u32::from(is_one);
        is_one && seen > index
    });
    let Some(function) = found.await? else {
        let shown: Vec<String> = devices.iter().map(|device| format!("{device:04x}")).collect();
        return Err(capnp::Error::failed(format!(
            "there is no PCI device {:04x}:{} {index}; the machine has {seen}",
            wanted.get_vendor(),
            shown.join("|"),
        )));
    };
    let mut request = bus.open_request();
    request.get().set_address(function.address);
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
