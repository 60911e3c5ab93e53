//! The PCI transport of `virtio-drivers`, and the one thing that it leaves out: which interrupt a queue raises.
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

/// In `virtio_pci_common_cfg` (virtio 1.2, 4.1.4.3).
const QUEUE_SELECT: usize = 0x16;
const QUEUE_INTERRUPT: usize = 0x1a;
const COMMON_BYTES: usize = 0x38;
/// The value of the register when the device has no interrupt for the queue.
const NO_INTERRUPT: u16 = 0xffff;
/// A device takes a while to reset, but not so many looks.
const RESET_LOOKS: u32 = 1_000_000;

/// A configuration changes when somebody grows the disk.
const CONSISTENT_LOOKS: u32 = 1000;

/// Entry of the interrupt table that queues use.
pub(crate) const INTERRUPT_ENTRY: u16 = 0;

/// The registers of a virtio device.
#[derive(Debug)]
pub struct Registers {
    /// Never dropped: that would wait for a reset as long as the device likes. A process that ends loses the device anyway.
    pub transport: ManuallyDrop<PciTransport>,
    common: NonNull<u8>,
}

fn failed(reason: &str) -> capnp::Error {
    capnp::Error::failed(reason.into())
}

impl Registers {
    /// Finds the registers through the configuration space. `windows` are where they are mapped, by base address register.
    pub(crate) fn new(config: Snapshot, windows: &[Option<Mapping>]) -> capnp::Result<Self> {
        let common = config.common_configuration().and_then(|(bar, offset)| {
            let window = (*windows.get(bar)?)?;
            window.part(usize::try_from(offset).ok()?, COMMON_BYTES)
        });
        let common =
            common.ok_or_else(|| failed("the device is no virtio device of version 1"))?.cast::<u8>();
        if !common.cast::<u64>().is_aligned() {
            return Err(failed("the device's registers are not aligned"));
        }
        let transport = PciTransport::new::<System, _>(&mut PciRoot::new(config), DEVICE)
            .map_err(|error| capnp::Error::failed(error.to_string()))?;
        Ok(Self { transport: ManuallyDrop::new(transport), common })
    }

    /// Resets the device. When it is done, the device touches no memory that it was told of before.
    pub(crate) fn reset(&mut self) -> capnp::Result<()> {
        self.transport.set_status(DeviceStatus::empty());
        for _ in 0..RESET_LOOKS {
            if self.transport.get_status() == DeviceStatus::empty() {
                return Ok(());
            }
            std::hint::spin_loop();
        }
        Err(failed("the device does not reset"))
    }

    /// Reads of the device's configuration what belongs together. `read` is called again when it has changed meanwhile.
    ///
    /// # Errors
    /// Those of `read`, and one for a configuration that does not hold still.
    pub fn read_consistent<T>(&self, read: impl Fn() -> Result<T, Error>) -> capnp::Result<T> {
        for _ in 0..CONSISTENT_LOOKS {
            let before = self.transport.read_config_generation();
            let found = read();
            if self.transport.read_config_generation() == before {
                return found.map_err(|error| failed(&error.to_string()));
            }
        }
        Err(failed("the device's configuration does not hold still"))
    }

    /// Makes a queue that is about to be set up raise the interrupt that the driver holds.
    ///
    /// # Errors
    /// When the device has no interrupt for the queue.
    pub fn direct_interrupt(&mut self, queue: u16) -> capnp::Result<()> {
        // SAFETY: the registers are mapped, within the common configuration and aligned (checked in `new`); writing them
        // touches no memory.
        let taken = unsafe {
            self.common.add(QUEUE_SELECT).cast::<u16>().write_volatile(queue);
            let register = self.common.add(QUEUE_INTERRUPT).cast::<u16>();
            register.write_volatile(INTERRUPT_ENTRY);
            register.read_volatile()
        };
        if taken == NO_INTERRUPT { Err(failed("the device has no interrupt for its queue")) } else { Ok(()) }
    }
}
