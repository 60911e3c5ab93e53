//! From the capability of a device to a disk that takes requests.

use crate::config::{Bar, Snapshot};
use crate::memory::{self, Mapping};
use crate::queue::{QUEUE, Queue};
use crate::registers::{INTERRUPT_ENTRY, Registers};
use crate::transfer::Geometry;
use bitflags::bitflags;
use capos_schema::device_capnp::{interrupt, pci_device};
use capos_schema::memory_capnp::memory_object;
use virtio_drivers::transport::{DeviceStatus, DeviceType, Transport};

/// Rings, headers, and room to spare.
const CONTROL_BYTES: u64 = 4 * 4096;
/// Data on its way: 16 requests of 64 KiB.
const TRANSFER_BYTES: u64 = 1 << 20;

bitflags! {
    /// What device and driver agree on (virtio 1.2, 5.2.3 and 6).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Features: u64 {
        const READ_ONLY = 1 << 5;
        const BLOCK_SIZE = 1 << 6;
        const FLUSH = 1 << 9;
        const VERSION_1 = 1 << 32;
    }
}

/// Offsets in the disk's configuration (virtio 1.2, 5.2.4).
const CAPACITY: usize = 0;
const BLOCK_SIZE: usize = 20;

/// A disk that takes requests.
pub struct Hardware {
    pub(crate) registers: Registers,
    pub(crate) queue: Queue,
    pub(crate) interrupt: interrupt::Client,
    pub(crate) transfer_memory: memory_object::Client,
    pub(crate) geometry: Geometry,
    /// Whether what was written may be lost before a flush. A device without that has no cache, or keeps it through
    /// a power cut.
    pub(crate) can_flush: bool,
}

fn failed(reason: impl ToString) -> capnp::Error {
    capnp::Error::failed(reason.to_string())
}

/// Resets the device and makes it ready.
///
/// # Errors
/// When it is no virtio disk of version 1, or has not what this driver needs.
pub async fn take_charge(device: pci_device::Client) -> capnp::Result<Hardware> {
    let bars = read_bars(&device).await?;
    let mut windows = [None; 6];
    for (index, (window, bar)) in (0..).zip(windows.iter_mut().zip(&bars)) {
        *window = map_registers(&device, index, *bar).await?;
    }
    memory::set_windows(windows.iter().flatten().copied().collect());
    let config = device.config_request().send().promise.await?;
    let mut registers = Registers::new(Snapshot::new(config.get()?.get_bytes()?, bars)?, &windows)?;
    if registers.transport.device_type() != DeviceType::Block {
        return Err(failed("the device is no disk"));
    }
    // What earlier drivers left under way ends here; their memory can go back.
    registers.reset()?;
    device.quiesced_request().send().promise.await?;

    let (_, control) = allocate(&device, CONTROL_BYTES).await?;
    let (transfer_memory, transfer) = allocate(&device, TRANSFER_BYTES).await?;
    memory::set_memory(control, transfer);
    let mut request = device.interrupt_request();
    request.get().set_entry(INTERRUPT_ENTRY);
    let interrupt = request.send().promise.await?.get()?.get_interrupt()?;
    let mut request = device.set_bus_master_request();
    request.get().set_enabled(true);
    request.send().promise.await?;

    let features = registers.transport.begin_init(Features::all());
    let accepted = registers.transport.get_status().contains(DeviceStatus::FEATURES_OK);
    if !features.contains(Features::VERSION_1) || !accepted {
        return Err(failed("the device does not speak version 1 as this driver does"));
    }
    let geometry = read_geometry(&registers, features, transfer.length)?;
    registers.direct_interrupt(QUEUE)?;
    let queue = Queue::new(&mut *registers.transport, transfer)?;
    registers.transport.finish_init();
    let can_flush = features.contains(Features::FLUSH);
    Ok(Hardware { registers, queue, interrupt, transfer_memory, geometry, can_flush })
}

async fn read_bars(device: &pci_device::Client) -> capnp::Result<[Bar; 6]> {
    let response = device.bars_request().send().promise.await?;
    let mut bars = [Bar::default(); 6];
    for (place, bar) in bars.iter_mut().zip(response.get()?.get_bars()?) {
        *place = Bar::read(bar)?;
    }
    Ok(bars)
}

/// Maps the registers behind a base address register. The one with the interrupt table is not to be had, nor needed.
async fn map_registers(device: &pci_device::Client, index: u8, bar: Bar) -> capnp::Result<Option<Mapping>> {
    if bar.length == 0 {
        return Ok(None);
    }
    let mut request = device.registers_request();
    request.get().set_bar(index);
    request.get().set_length(bar.length);
    match request.send().promise.await {
        Ok(response) => {
            let memory = response.get()?.get_memory()?;
            Ok(Some(Mapping::new(&memory, bar.address, bar.length).await?))
        }
        Err(error) if error.kind == capnp::ErrorKind::Failed => Ok(None),
        Err(error) => Err(error),
    }
}

async fn allocate(
    device: &pci_device::Client,
    length: u64,
) -> capnp::Result<(memory_object::Client, Mapping)> {
    let mut request = device.allocate_dma_request();
    request.get().set_length(length);
    let response = request.send().promise.await?;
    let results = response.get()?;
    let memory = results.get_memory()?;
    let mapping = Mapping::new(&memory, results.get_address(), length).await?;
    Ok((memory, mapping))
}

fn read_geometry(registers: &Registers, features: Features, buffer_bytes: usize) -> capnp::Result<Geometry> {
    let transport = &registers.transport;
    let read = |offset| transport.read_config_space::<u32>(offset);
    let units = registers
        .read_consistent(|| Ok(u64::from(read(CAPACITY)?) | u64::from(read(CAPACITY + 4)?) << 32))?;
    let block_bytes =
        if features.contains(Features::BLOCK_SIZE) { Some(read(BLOCK_SIZE).map_err(failed)?) } else { None };
    Ok(Geometry::new(units, block_bytes, features.contains(Features::READ_ONLY), buffer_bytes))
}
