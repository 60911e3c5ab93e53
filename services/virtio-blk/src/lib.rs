//! A driver for virtio disks. The crate `virtio-drivers` knows how devices are found, set up and talked to; here its
//! needs meet the capabilities of this process, and requests meet the calls of `BlockDevice`.
//!
//! The program holds one `PciDevice` and nothing else that could reach the machine. Its registers, interrupt and memory
//! come from there.
//!
//! `unsafe` stands only where memory of the device becomes pointers (`memory`, `registers`) and where buffers are lent to
//! it (`queue`).

mod config;
mod disk;
mod memory;
mod queue;
mod registers;
mod server;
mod setup;
mod transfer;

pub use server::Disk;
pub use setup::{Hardware, take_charge};
