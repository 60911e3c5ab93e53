//! The PCI transport of `virtio-drivers`, extended by the routing of queue interrupts, which it lacks.
// Unsafe here: registers are mapped memory.
#![expect(unsafe_code, reason = "two registers are written here")]

use crate::config::{DEVICE, Snapshot};
use crate::memory::{Mapping, System};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use virtio_drivers::Error;
use virtio_drivers::transport::pci::PciTransport;
use virtio_drivers::transport::pci::bus::PciRoot;
use virtio_drivers::transport::{DeviceStatus, Transport};

/// Offset in `virtio_pci_common_cfg` (virtio 1.2, 4.1.4.3).
const QUEUE_SELECT: usize = 0x16;
const QUEUE_INTERRUPT: usize = 0x1a;
const COMMON_BYTES: usize = 0x38;
/// The register's value if the device has no interrupt for the queue.
const NO_INTERRUPT: u16 = 0xffff;
/// Polls of the reset; far more than a working device needs.
const RESET_LOOKS: u32 = 1_000_000;

/// Attempts to read a consistent configuration, which changes, for example, when the disk is resized.
const CONSISTENT_LOOKS: u32 = 1000;

/// Entry of the interrupt table that the queues use.
pub(crate) const INTERRUPT_ENTRY: u16 = 0;

/// The registers of a virtio device.
#[derive(Debug)]
pub struct Registers {
    /// Never dropped: dropping waits for a reset without a bound. A process that ends loses the device anyway.
    pub transport: ManuallyDrop<PciTransport>,
    common: NonNull<u8>,
}

fn failed(reason: &str) -> capnp::Error {
    capnp::Error::failed(reason.into())
}

impl Registers {
    /// Finds the registers through the configuration space. `windows` are their mappings, by base address register.
    pub(crate) fn new(config: Snapshot, windows: &[Option<Mapping>]) -> capnp::Result<Self> {
        let common = config.common_configuration().and_then(|(bar, offset)| {
            let window = (*windows.get(bar)?)?;
            window.part(usize::try_from(offset).ok()?, COMMON_BYTES)
        });
        let common = common.ok_or_else(|| failed("the device is not a virtio 1 device"))?.cast::<u8>();
        if !common.cast::<u64>().is_aligned() {
            return Err(failed("device violated the virtio specification: misaligned registers"));
        }
        let transport = PciTransport::new::<System, _>(&mut PciRoot::new(config), DEVICE)
            .map_err(|error| capnp::Error::failed(error.to_string()))?;
        Ok(Self { transport: ManuallyDrop::new(transport), common })
    }

    /// Resets the device. Afterwards it does not access any memory that it was given before.
    pub(crate) fn reset(&mut self) -> capnp::Result<()> {
        self.transport.set_status(DeviceStatus::empty());
        for _ in 0..RESET_LOOKS {
            if self.transport.get_status() == DeviceStatus::empty() {
                return Ok(());
            }
            std::hint::spin_loop();
        }
        Err(failed("device violated the virtio specification: reset did not complete"))
    }

    /// Reads related fields of the device's configuration consistently. `read` is repeated if the configuration changed
    /// meanwhile.
    ///
    /// # Errors
    /// Those of `read`, and an error if the configuration keeps changing.
    pub fn read_consistent<T>(&self, read: impl Fn() -> Result<T, Error>) -> capnp::Result<T> {
        for _ in 0..CONSISTENT_LOOKS {
            let before = self.transport.read_config_generation();
            let found = read();
            if self.transport.read_config_generation() == before {
                return found.map_err(|error| failed(&error.to_string()));
            }
        }
        Err(failed("device violated the virtio specification: its configuration keeps changing"))
    }

    /// Routes the interrupt of a queue that is about to be set up to the driver's interrupt.
    ///
    /// # Errors
    /// If the device has no interrupt for the queue.
    pub fn direct_interrupt(&mut self, queue: u16) -> capnp::Result<()> {
        // SAFETY: the registers are mapped, aligned and within the common configuration (checked in `new`); writing them
        // accesses no memory.
        let taken = unsafe {
            self.common.add(QUEUE_SELECT).cast::<u16>().write_volatile(queue);
            let register = self.common.add(QUEUE_INTERRUPT).cast::<u16>();
            register.write_volatile(INTERRUPT_ENTRY);
            register.read_volatile()
        };
        if taken == NO_INTERRUPT { Err(failed("the device has no interrupt for its queue")) } else { Ok(()) }
    }
}
