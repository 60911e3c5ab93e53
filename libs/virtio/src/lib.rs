//! A virtio device in the hands of its driver. The crate `virtio-drivers` knows how devices are found, set up and talked
//! to; here its needs meet the capabilities of this process: registers, interrupt and memory come from one `PciDevice`.
//!
//! A process drives one device. `unsafe` stands only where memory of the device becomes pointers (`memory`, `registers`).

mod config;
mod device;
mod memory;
mod registers;
#[cfg(feature = "testing")]
pub mod testing;

pub use device::Device;
pub use memory::{Mapping, System, take_pages};
pub use registers::Registers;
