//! As much memory for a device as there is at once.

use capos_schema::device_capnp::{pci_bus, pci_device};

const LENGTH: u64 = 16 << 20;
const VIRTIO: u16 = 0x1af4;

/// Takes the memory and gives it back, so many times.
pub(super) async fn run(times: u32) -> capnp::Result<()> {
    let bus: pci_bus::Client = capos_rt::grant("pci-bus")?;
    for _ in 0..times {
        let device = open(&bus).await?;
        let mut request = device.allocate_dma_request();
        request.get().set_length(LENGTH);
        let response = request.send().promise.await?;
        let results = response.get()?;
        if results.get_address() == 0 {
            return Err(capnp::Error::failed("no memory".to_owned()));
        }
        let _memory = results.get_memory()?;
    }
    Ok(())
}

async fn open(bus: &pci_bus::Client) -> capnp::Result<pci_device::Client> {
    let response = bus.functions_request().send().promise.await?;
    let functions = response.get()?.get_functions()?;
    let disk = functions.iter().find(|one| one.get_vendor() == VIRTIO);
    let disk = disk.ok_or_else(|| capnp::Error::failed("there is no virtio device".to_owned()))?;
    let mut request = bus.open_request();
    request.get().set_address(disk.get_address());
    request.send().promise.await?.get()?.get_device()
}
