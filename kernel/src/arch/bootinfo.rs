//! The boot loader's information, in a common form for both protocols.

mod multiboot2;
mod pvh;

use super::screen::{Framebuffer, VGA_TEXT_ADDRESS};
use x86_64::PhysAddr;

/// Maximum number of memory regions; more than any known machine reports.
const MAX_REGIONS: usize = 64;

/// The boot protocol that started the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Protocol {
    /// For QEMU's `-kernel` and other hypervisors.
    Pvh,
    /// GRUB.
    Multiboot2,
}

/// Usable memory in the range `start..end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryRegion {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

/// The boot loader's information.
#[derive(Debug)]
pub struct BootInfo {
    regions: [MemoryRegion; MAX_REGIONS],
    region_count: usize,
    module: Option<MemoryRegion>,
    rsdp: Option<PhysAddr>,
    framebuffer: Option<Framebuffer>,
}

impl BootInfo {
    pub(super) fn read(protocol: Protocol, address: PhysAddr) -> Self {
        let mut info = Self {
            regions: [MemoryRegion::default(); MAX_REGIONS],
            region_count: 0,
            module: None,
            rsdp: None,
            framebuffer: None,
        };
        match protocol {
            Protocol::Pvh => pvh::read(address, &mut info),
            Protocol::Multiboot2 => multiboot2::read(address, &mut info),
        }
        info
    }

    /// Usable memory, as reported: it still contains the kernel and the boot module.
    pub fn regions(&self) -> &[MemoryRegion] {
        self.regions.get(..self.region_count).unwrap_or_default()
    }

    /// Location of the boot module.
    pub fn module(&self) -> Option<MemoryRegion> {
        self.module
    }

    /// Location of the ACPI root pointer structure (or a copy of it).
    pub fn rsdp(&self) -> Option<PhysAddr> {
        self.rsdp
    }

    /// The screen. If the boot loader reports nothing, firmware has left the text mode on, if there is a screen at all.
    pub fn framebuffer(&self) -> Option<Framebuffer> {
        let is_memory = |at| self.regions().iter().any(|region| (region.start..region.end).contains(&at));
        self.framebuffer.or_else(|| (!is_memory(VGA_TEXT_ADDRESS)).then_some(Framebuffer::VGA_TEXT))
    }

    /// Whether the boot loader described a screen.
    pub fn has_screen(&self) -> bool {
        self.framebuffer.is_some()
    }

    fn add_region(&mut self, start: u64, length: u64) {
        if let Some(slot) = self.regions.get_mut(self.region_count) {
            *slot = MemoryRegion { start, end: start.saturating_add(length) };
            self.region_count += 1;
        }
    }
}
