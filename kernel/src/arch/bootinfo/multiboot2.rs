//! Multiboot2: a list of tags (Multiboot2 specification 2.0, section 3.6).

use super::{BootInfo, MemoryRegion};
use crate::arch::screen::{Content, Framebuffer};
use crate::mm::physmap::{self, Plain};
use x86_64::PhysAddr;

const TAG_END: u32 = 0;
const TAG_MODULE: u32 = 3;
const TAG_MEMORY_MAP: u32 = 6;
const TAG_FRAMEBUFFER: u32 = 8;
const TAG_ACPI_OLD: u32 = 14;
const TAG_ACPI_NEW: u32 = 15;
const RAM: u32 = 1;

/// Fills `info` from the structure at `address`.
pub(super) fn read(address: PhysAddr, info: &mut BootInfo) {
    let total: u32 = read_at(address, 0);
    let mut offset = 8_u64;
    while offset + 8 <= u64::from(total) {
        let [kind, size]: [u32; 2] = read_at(address, offset);
        let tag = PhysAddr::new_truncate(address.as_u64() + offset);
        match kind {
            TAG_END => break,
            TAG_MODULE if info.module.is_none() => {
                let [start, end]: [u32; 2] = read_at(tag, 8);
                info.module = Some(MemoryRegion { start: start.into(), end: end.into() });
            }
            TAG_MEMORY_MAP => read_memory_map(tag, size, info),
            TAG_FRAMEBUFFER => info.framebuffer = read_framebuffer(tag),
            TAG_ACPI_NEW => info.rsdp = Some(PhysAddr::new_truncate(tag.as_u64() + 8)),
            TAG_ACPI_OLD if info.rsdp.is_none() => info.rsdp = Some(PhysAddr::new_truncate(tag.as_u64() + 8)),
            _ => {}
        }
        offset += u64::from(size.max(8)).next_multiple_of(8);
    }
}

fn read_memory_map(tag: PhysAddr, size: u32, info: &mut BootInfo) {
    let entry_size: u32 = read_at(tag, 8);
    let mut offset = 16_u64;
    while entry_size >= 24 && offset + 24 <= u64::from(size) {
        let [start, length]: [u64; 2] = read_at(tag, offset);
        let kind: u32 = read_at(tag, offset + 16);
        if kind == RAM {
            info.add_region(start, length);
        }
        offset += u64::from(entry_size);
    }
}

fn read_framebuffer(tag: PhysAddr) -> Option<Framebuffer> {
    let [pitch, width, height]: [u32; 3] = read_at(tag, 16);
    let [bits, kind]: [u8; 2] = read_at(tag, 28);
    let content = match kind {
        1 => Content::Pixels,
        2 => Content::Text,
        // An indexed palette.
        _ => return None,
    };
    Some(Framebuffer { address: read_at(tag, 8), pitch, width, height, bits, content })
}

fn read_at<T: Plain>(base: PhysAddr, offset: u64) -> T {
    physmap::read(PhysAddr::new_truncate(base.as_u64() + offset))
}
