//! The maximum DMA memory at once, and the maximum number of register mappings.
#![expect(unsafe_code, reason = "mapped registers are reached through their address")]

use capos_schema::device_capnp::{pci_bus, pci_device};

const LENGTH: u64 = 16 << 20;
const VIRTIO: u16 = 0x1af4;
const PAGE: u64 = 4096;
/// The base address register of a virtio device that QEMU gives its registers.
const REGISTERS: u8 = 4;
const MAPPINGS: u32 = 3000;

/// Allocates the memory and frees it, this many times.
pub(super) async fn memory(times: u32) -> capnp::Result<()> {
    let bus: pci_bus::Client = capos_rt::grant(capos_schema::grants::PCI_BUS)?;
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

/// Maps a page of registers many times, and releases the device, twice.
pub(super) async fn registers() -> capnp::Result<()> {
    let bus: pci_bus::Client = capos_rt::grant(capos_schema::grants::PCI_BUS)?;
    for _ in 0..2 {
        let device = open(&bus).await?;
        let mut request = device.registers_request();
        request.get().set_bar(REGISTERS);
        request.get().set_length(PAGE);
        let memory = request.send().promise.await?.get()?.get_memory()?;
        let mut first = None;
        for _ in 0..MAPPINGS {
            let mut request = capos_rt::virtual_memory().map_object_request();
            request.get().set_object(memory.clone());
            request.get().set_length(PAGE);
            request.get().init_protection().set_read(true);
            let address = request.send().promise.await?.get()?.get_address();
            first.get_or_insert(address);
            // SAFETY: the page was mapped just now; reading a device's status is harmless.
            unsafe { (address as *const u8).read_volatile() };
        }
        drop((memory, device));
        let mut request = capos_rt::virtual_memory().unmap_request();
        request.get().set_address(first.unwrap_or_default());
        request.get().set_length(u64::from(MAPPINGS) * PAGE);
        request.send().promise.await?;
    }
    Ok(())
}

async fn open(bus: &pci_bus::Client) -> capnp::Result<pci_device::Client> {
    let functions = capos_pci::functions(bus).await?;
    let disk = functions.iter().find(|one| one.vendor == VIRTIO);
    let disk = disk.ok_or_else(|| capnp::Error::failed("there is no virtio device".to_owned()))?;
    let mut request = bus.open_request();
    request.get().set_address(disk.address);
    request.send().promise.await?.get()?.get_device()
}
