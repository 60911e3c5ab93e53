//! PVH: the `hvm_start_info` structure (xen/include/public/arch-x86/hvm/start_info.h).

use super::{BootInfo, MemoryRegion};
use crate::mm::physmap::{self, Plain};
use x86_64::PhysAddr;

const MAGIC: u32 = 0x336e_c578;
const RAM: u32 = 1;
const MEMORY_MAP_ENTRY_BYTES: u64 = 24;

/// Fills `info` from the structure at `address`.
pub(super) fn read(address: PhysAddr, info: &mut BootInfo) {
    let [magic, version, _flags, module_count]: [u32; 4] = read_at(address, 0);
    assert!(magic == MAGIC && version >= 1, "not a PVH start info of version 1 or later");
    let modules: u64 = read_at(address, 16);
    let rsdp: u64 = read_at(address, 32);
    let map: u64 = read_at(address, 40);
    let map_entries: u32 = read_at(address, 48);
    for index in 0..u64::from(map_entries) {
        let entry = PhysAddr::new_truncate(map + index * MEMORY_MAP_ENTRY_BYTES);
        let [start, length]: [u64; 2] = read_at(entry, 0);
        let kind: u32 = read_at(entry, 16);
        if kind == RAM {
            info.add_region(start, length);
        }
    }
    if module_count > 0 {
        let [start, length]: [u64; 2] = read_at(PhysAddr::new_truncate(modules), 0);
        info.module = Some(MemoryRegion { start, end: start.saturating_add(length) });
    }
    info.rsdp = (rsdp != 0).then(|| PhysAddr::new_truncate(rsdp));
}

fn read_at<T: Plain>(base: PhysAddr, offset: u64) -> T {
    physmap::read(PhysAddr::new_truncate(base.as_u64() + offset))
}
