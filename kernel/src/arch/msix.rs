//! Tables of message-signalled interrupts. An entry determines what a device writes to which address to interrupt
//! a processor, so only the kernel may write it.

use super::apic;
use crate::mm::kernel_space;
use x86_64::PhysAddr;

const ENTRY_BYTES: u64 = 16;
const PAGE: u64 = 4096;
/// Number of entries used.
const MAX_ENTRIES: u64 = 16;
const MASKED: u32 = 1;

/// The part of a device's table that is mapped into the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    start: u64,
    entries: u64,
}

impl Table {
    /// Maps the first entries of a table at `address` with `entries` entries, and masks them, whatever an earlier system
    /// left there. The mapping is permanent, since devices do not move.
    pub fn map(address: PhysAddr, entries: u16) -> Option<Self> {
        let on_page = (PAGE - address.as_u64() % PAGE) / ENTRY_BYTES;
        let start = kernel_space::map_device_page(address)?;
        let table = Self { start, entries: u64::from(entries).min(on_page).min(MAX_ENTRIES) };
        (0..table.entries).for_each(|entry| table.mask(entry));
        Some(table)
    }

    /// Number of usable entries.
    pub const fn entries(self) -> u64 {
        self.entries
    }

    fn write(self, entry: u64, word: u64, value: u32) {
        assert!(entry < self.entries && word < 4, "an interrupt table ends there");
        let at = self.start + entry * ENTRY_BYTES + word * 4;
        let register: *mut u32 = core::ptr::with_exposed_provenance_mut(at as usize);
        // SAFETY: `map` mapped the page with this device's table there, and the entry is within it (asserted). A message
        // can only go to the interrupt controller, with the vectors passed to `direct`.
        unsafe { register.write_volatile(value) };
    }

    /// Routes an entry to this CPU at `vector`.
    pub fn direct(self, entry: u64, vector: u8) {
        self.mask(entry);
        self.write(entry, 0, apic::message_address());
        self.write(entry, 1, 0);
        self.write(entry, 2, u32::from(vector));
        self.unmask(entry);
    }

    /// Masks an entry; an interrupt that fires meanwhile is delivered when it is unmasked.
    pub fn mask(self, entry: u64) {
        self.write(entry, 3, MASKED);
    }

    /// Unmasks an entry.
    pub fn unmask(self, entry: u64) {
        self.write(entry, 3, 0);
    }
}
