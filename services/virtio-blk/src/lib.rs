//! A driver for virtio disks. `capos-virtio` finds and sets up the device; this crate turns calls of `BlockDevice` into
//! requests.
//!
//! The program's only access to the machine is one `PciDevice`, which provides registers, interrupt and memory.

mod disk;
mod queue;
mod server;
mod setup;
mod transfer;

pub use server::Disk;
pub use setup::{Hardware, take_charge};
