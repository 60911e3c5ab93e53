//! Finding virtio devices on the PCI bus.

use capos_schema::device_capnp::{pci_bus, pci_device};

const VIRTIO: u16 = 0x1af4;

/// A kind of virtio device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A disk.
    Disk,
    /// A console.
    Console,
}

impl Kind {
    /// Its PCI numbers: that of version 1, and that of devices which still allow the version before.
    fn numbers(self) -> [u16; 2] {
        match self {
            Self::Disk => [0x1042, 0x1001],
            Self::Console => [0x1043, 0x1003],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Console => "virtio console",
        }
    }
}

/// Opens the device with number `index` among those of its kind, counted from 0 in bus order.
///
/// # Errors
/// When there are not so many, or somebody has it open.
pub(crate) async fn open(bus: &pci_bus::Client, kind: Kind, index: u32) -> capnp::Result<pci_device::Client> {
    let response = bus.functions_request().send().promise.await?;
    let mut found = Vec::new();
    for function in response.get()?.get_functions()? {
        if function.get_vendor() == VIRTIO && kind.numbers().contains(&function.get_device()) {
            found.push(function.get_address());
        }
    }
    let address = usize::try_from(index).ok().and_then(|index| found.get(index));
    let Some(&address) = address else {
        return Err(capnp::Error::failed(format!(
            "there is no {} {index}; the machine has {}",
            kind.name(),
            found.len()
        )));
    };
    let mut request = bus.open_request();
    request.get().set_address(address);
    request.send().promise.await?.get()?.get_device()
}
