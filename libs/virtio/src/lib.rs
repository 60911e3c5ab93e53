//! Access to a virtio device for its driver. The crate `virtio-drivers` implements discovery, set-up and communication;
//! this crate provides what it needs from this process's capabilities: registers, interrupt and memory, all from one
//! `PciDevice`.
//!
//! A process drives one device. `unsafe` is used only where device memory becomes pointers (`memory`, `registers`) and where
//! buffers are lent to the device (`queue`).

mod config;
mod device;
mod memory;
mod queue;
mod registers;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use device::Device;
pub use memory::{Mapping, System, take_control};
pub use queue::{Broken, Chain, Part, Queue};
pub use registers::Registers;
