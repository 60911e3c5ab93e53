//! A device model for tests of drivers: it records the location of its rings, and writes into them as the
//! test directs.
// Unsafe here: rings are written as a device writes them.
#![expect(unsafe_code, reason = "memory is written by its address, as a device does")]

use crate::{Mapping, memory};
use std::collections::BTreeMap;
use virtio_drivers::PhysAddr;
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};

/// Registers host memory, as [`Device::take_charge`](crate::Device::take_charge) does with DMA memory. Only the first
/// call has an effect.
pub fn lend_memory(control: Mapping, transfer: Mapping) {
    memory::set_memory(control, transfer);
}

/// The location of a queue's rings in the device's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rings {
    /// The table of descriptors.
    pub descriptors: u64,
    /// The ring in which the driver makes buffers available.
    pub available: u64,
    /// The ring in which the device returns used buffers.
    pub used: u64,
}

/// A device with no registers except those of its queues.
#[derive(Debug)]
pub struct Model {
    kind: DeviceType,
    memory: Mapping,
    queues: BTreeMap<u16, Rings>,
}

impl Model {
    /// A device of this kind whose rings are in `memory`.
    #[must_use]
    pub fn new(kind: DeviceType, memory: Mapping) -> Self {
        Self { kind, memory, queues: BTreeMap::new() }
    }

    /// The rings of a queue that the driver has set up; otherwise at the start of the memory.
    #[must_use]
    pub fn rings(&self, queue: u16) -> Rings {
        self.queues.get(&queue).copied().unwrap_or_default()
    }

    /// Stores a value in the memory.
    ///
    /// # Panics
    /// If it is not within the memory.
    pub fn put<T>(&self, offset: u64, value: T) {
        let place = usize::try_from(offset).ok().and_then(|offset| self.memory.part(offset, size_of::<T>()));
        let Some(place) = place else { panic!("{offset:#x} is outside the memory") };
        // SAFETY: the place is in the mapping, which is never unmapped; there are no references to it.
        unsafe { place.cast::<T>().write_unaligned(value) };
    }

    /// The value at an offset of the memory.
    ///
    /// # Panics
    /// If it is not within the memory.
    #[must_use]
    pub fn get<T: Copy>(&self, offset: u64) -> T {
        let place = usize::try_from(offset).ok().and_then(|offset| self.memory.part(offset, size_of::<T>()));
        let Some(place) = place else { panic!("{offset:#x} is outside the memory") };
        // SAFETY: as for `put`; the bytes were written by the driver or by `put`, or are zero.
        unsafe { place.cast::<T>().read_unaligned() }
    }

    /// Writes entry `number` of the used ring of `queue`, which has `entries` entries: the chain `id` is used and
    /// `length` bytes of it were written.
    pub fn finish(&self, queue: u16, entries: u16, number: u16, id: u32, length: u32) {
        let used = self.rings(queue).used;
        let entry = used + 4 + u64::from(number % entries) * 8;
        self.put(entry, id);
        self.put(entry + 4, length);
        self.put(used + 2, number.wrapping_add(1));
    }
}

impl Transport for Model {
    fn device_type(&self) -> DeviceType {
        self.kind
    }

    fn read_device_features(&mut self) -> u64 {
        0
    }

    fn write_driver_features(&mut self, _: u64) {}

    fn max_queue_size(&mut self, _: u16) -> u32 {
        1024
    }

    fn notify(&mut self, _: u16) {}

    fn get_status(&self) -> DeviceStatus {
        DeviceStatus::empty()
    }

    fn set_status(&mut self, _: DeviceStatus) {}

    fn set_guest_page_size(&mut self, _: u32) {}

    fn requires_legacy_layout(&self) -> bool {
        false
    }

    fn queue_set(&mut self, queue: u16, _: u32, descriptors: PhysAddr, available: PhysAddr, used: PhysAddr) {
        let offset = |address: PhysAddr| address - self.memory.physical();
        let rings =
            Rings { descriptors: offset(descriptors), available: offset(available), used: offset(used) };
        self.queues.insert(queue, rings);
    }

    fn queue_unset(&mut self, _: u16) {}

    fn queue_used(&mut self, _: u16) -> bool {
        false
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        InterruptStatus::empty()
    }

    fn read_config_generation(&self) -> u32 {
        0
    }

    fn read_config_space<T>(&self, _: usize) -> virtio_drivers::Result<T> {
        Err(virtio_drivers::Error::ConfigSpaceMissing)
    }

    fn write_config_space<T>(&mut self, _: usize, _: T) -> virtio_drivers::Result<()> {
        Err(virtio_drivers::Error::ConfigSpaceMissing)
    }
}
