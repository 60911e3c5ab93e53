//! Takes charge of a device, given its capability, up to the point where its queues can be set up.

use crate::config::Snapshot;
use crate::memory::{self, Mapping};
use crate::registers::{INTERRUPT_ENTRY, Registers};
use bitflags::Flags;
use capos_schema::device_capnp::{interrupt, pci_device};
use capos_schema::memory_capnp::memory_object;
use std::fmt::Debug;
use std::ops::BitAnd;
use virtio_drivers::transport::{DeviceStatus, DeviceType, Transport};

/// A device that has been reset, with its registers and DMA memory.
pub struct Device {
    /// Its registers.
    pub registers: Registers,
    /// Raised by every queue for which [`Registers::direct_interrupt`] was called.
    pub interrupt: interrupt::Client,
    /// Memory for data in transit, which others may map too.
    pub transfer_memory: memory_object::Client,
    /// The same memory, mapped in this process.
    pub transfer: Mapping,
}

fn failed(reason: impl ToString) -> capnp::Error {
    capnp::Error::failed(reason.to_string())
}

impl Device {
    /// Resets the device behind `device` and allocates `control_bytes` of memory for rings and headers, and
    /// `transfer_bytes` for data; both are multiples of the page size.
    ///
    /// # Errors
    /// If it is not a virtio device of this kind and of version 1, or lacks something that its driver needs.
    pub async fn take_charge(
        device: pci_device::Client,
        kind: DeviceType,
        control_bytes: u64,
        transfer_bytes: u64,
    ) -> capnp::Result<Self> {
        let response = device.config_request().send().promise.await?;
        let config = Snapshot::new(response.get()?.get_bytes()?, response.get()?.get_masks()?)?;
        let mut windows = [None; 6];
        for (index, (window, bar)) in (0..).zip(windows.iter_mut().zip(config.memory()?)) {
            if let Some((address, length)) = bar {
                *window = map_registers(&device, index, address, length).await?;
            }
        }
        memory::set_windows(windows.iter().flatten().copied().collect());
        let mut registers = Registers::new(config, &windows)?;
        let found = registers.transport.device_type();
        if found != kind {
            return Err(failed(format!("unexpected virtio device type: {found:?}")));
        }
        // The reset ended all requests of earlier drivers, so their memory can be reused.
        registers.reset()?;
        device.quiesced_request().send().promise.await?;

        let (_, control) = allocate(&device, control_bytes).await?;
        let (transfer_memory, transfer) = allocate(&device, transfer_bytes).await?;
        memory::set_memory(control, transfer);
        let mut request = device.interrupt_request();
        request.get().set_entry(INTERRUPT_ENTRY);
        let interrupt = request.send().promise.await?.get()?.get_interrupt()?;
        let mut request = device.set_bus_master_request();
        request.get().set_enabled(true);
        request.send().promise.await?;
        Ok(Self { registers, interrupt, transfer_memory, transfer })
    }

    /// Negotiates the features of `wanted` that the device supports. `version_1` is the bit of `wanted` that is
    /// required.
    ///
    /// # Errors
    /// If the device lacks that bit, or does not accept the selected features.
    pub fn negotiate<F>(&mut self, wanted: F, version_1: F) -> capnp::Result<F>
    where
        F: Flags<Bits = u64> + BitAnd<Output = F> + Copy + Debug,
    {
        let features = self.registers.transport.begin_init(wanted);
        let accepted = self.registers.transport.get_status().contains(DeviceStatus::FEATURES_OK);
        if !features.contains(version_1) || !accepted {
            return Err(failed("the device does not support virtio version 1"));
        }
        Ok(features)
    }
}

/// Maps the registers behind a base address register. The one with the interrupt table is unavailable, and not
/// needed.
async fn map_registers(
    device: &pci_device::Client,
    index: u8,
    address: u64,
    length: u64,
) -> capnp::Result<Option<Mapping>> {
    let mut request = device.registers_request();
    request.get().set_bar(index);
    request.get().set_length(length);
    match request.send().promise.await {
        Ok(response) => {
            let memory = response.get()?.get_memory()?;
            Ok(Some(Mapping::new(&memory, address, length).await?))
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
