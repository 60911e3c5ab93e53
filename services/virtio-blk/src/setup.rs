//! Sets up a disk, given the capability of its device.

use crate::queue::{QUEUE, Queue};
use crate::transfer::Geometry;
use bitflags::bitflags;
use capos_schema::device_capnp::{interrupt, pci_device};
use capos_schema::memory_capnp::memory_object;
use capos_virtio::{Device, Registers};
use virtio_drivers::transport::{DeviceType, Transport};

/// Rings and headers, with room to spare.
const CONTROL_BYTES: u64 = 4 * 4096;
/// Data in transit: 16 requests of 64 KiB.
const TRANSFER_BYTES: u64 = 1 << 20;

bitflags! {
    /// The negotiated features (virtio 1.2, 5.2.3 and 6).
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

/// A disk that is ready for requests.
pub struct Hardware {
    pub(crate) registers: Registers,
    pub(crate) queue: Queue,
    pub(crate) interrupt: interrupt::Client,
    pub(crate) transfer_memory: memory_object::Client,
    pub(crate) geometry: Geometry,
    /// Whether writes may be lost before a flush. A device without this feature has no cache, or keeps it through a
    /// power cut.
    pub(crate) can_flush: bool,
}

fn failed(reason: impl ToString) -> capnp::Error {
    capnp::Error::failed(reason.to_string())
}

/// Resets the device and makes it ready.
///
/// # Errors
/// If it is not a virtio disk of version 1, or lacks a feature that this driver needs.
pub async fn take_charge(device: pci_device::Client) -> capnp::Result<Hardware> {
    let mut device = Device::take_charge(device, DeviceType::Block, CONTROL_BYTES, TRANSFER_BYTES).await?;
    let features = device.negotiate(Features::all(), Features::VERSION_1)?;
    let Device { mut registers, interrupt, transfer_memory, transfer } = device;
    let geometry = read_geometry(&registers, features, transfer.length())?;
    registers.direct_interrupt(QUEUE)?;
    let queue = Queue::new(&mut *registers.transport, transfer)?;
    registers.transport.finish_init();
    let can_flush = features.contains(Features::FLUSH);
    Ok(Hardware { registers, queue, interrupt, transfer_memory, geometry, can_flush })
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
