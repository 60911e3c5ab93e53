//! A driver for virtio disks. `capos-virtio` finds and sets up the device; here requests meet the calls of `BlockDevice`.
//!
//! The program holds one `PciDevice` and nothing else that could reach the machine. Its registers, interrupt and memory
//! come from there.
//!
//! `unsafe` stands only where buffers are lent to the device (`queue`).

mod disk;
mod queue;
mod server;
mod setup;
mod transfer;

pub use server::Disk;
pub use setup::{Hardware, take_charge};
