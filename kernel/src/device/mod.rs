//! Devices as the rest of the kernel uses them.

pub mod console;
pub mod pci;
