//! Entry into Rust code from the boot loader.

use super::bootinfo::{BootInfo, Protocol};
use core::arch::global_asm;

global_asm!(include_str!("boot.s"));

/// Called by `start64` in boot.s with the boot protocol (1: PVH, 2: Multiboot2), the physical address of its
/// information structure, and the time-stamp counter at entry.
#[unsafe(no_mangle)]
extern "C" fn kernel_entry(protocol: u32, info: u64, entry_tsc: u64) -> ! {
    super::serial::init_ports();
    super::time::set_entry_tsc(entry_tsc);
    let protocol = if protocol == 1 { Protocol::Pvh } else { Protocol::Multiboot2 };
    let info = BootInfo::read(protocol, x86_64::PhysAddr::new_truncate(info));
    crate::boot::run(&info)
}
