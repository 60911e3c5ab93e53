//! A PCI function: its address, its session, and its DMA memory.

use super::dma::Dma;
use crate::{
    arch::{self, msix::Table},
    mm::{
        MemoryObjects, ObjectId,
        frames::{FRAME_BYTES, Frame},
        kernel_space,
    },
};
use alloc::vec::Vec;
use capos_kernel_core::pci::{
    self, Address, BAR_COUNT, Bars, COMMAND, COMMAND_BUS_MASTER, COMMAND_MEMORY, COMMAND_NO_WIRED_INTERRUPT,
    COMMAND_PORTS, CONFIG_BYTES, Config, FIRST_BAR, MsixTable, RegistersError,
};
use core::ops::Range;
use x86_64::PhysAddr;

/// Maximum number of register ranges of one function at a time.
const MAX_REGISTER_OBJECTS: usize = 32;
const MSIX_ENABLE: u32 = 1 << 31;
const MSIX_MASK_ALL: u32 = 1 << 30;

/// The reason why a function is not opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// It does not exist, or is a part of the machine.
    Missing,
    /// It is already open.
    Taken,
    /// The kernel's memory is exhausted.
    OutOfMemory,
}

/// The reason why a range of registers is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegistersRefused {
    /// It is not memory of the function.
    NotThere(RegistersError),
    /// Firmware placed it over RAM or the interrupt controllers.
    Overlaps,
    /// Too many ranges are in use.
    TooMany,
    /// The kernel's memory is exhausted.
    OutOfMemory,
}

/// The state of a function while it is open.
struct Session {
    bars: Bars,
    /// The values that they read after all ones were written to them.
    masks: [u32; BAR_COUNT],
    msix: Option<MsixTable>,
    /// The register objects created so far; some may be gone already.
    registers: Vec<ObjectId>,
}

/// A PCI function.
pub struct Function {
    address: Address,
    session: Option<Session>,
    /// Registers of its last session may still be mapped.
    awaits_registers: bool,
    /// The interrupt table, mapped at first use.
    table: Option<Table>,
    pub(super) dma: Dma,
}

impl Function {
    pub(super) const fn new(address: Address) -> Self {
        Self { address, session: None, awaits_registers: false, table: None, dma: Dma::new() }
    }

    pub(super) const fn address(&self) -> Address {
        self.address
    }

    fn read(&self, offset: u8) -> u32 {
        arch::pci::read(self.address, offset)
    }

    fn write(&self, offset: u8, value: u32) {
        arch::pci::write(self.address, offset, value);
    }

    /// A snapshot of its configuration space.
    pub fn config(&self) -> Config {
        let mut config = [0; CONFIG_BYTES];
        for (offset, bytes) in (0_u8..=252).step_by(4).zip(config.chunks_exact_mut(4)) {
            bytes.copy_from_slice(&self.read(offset).to_le_bytes());
        }
        config
    }

    /// The values of its base address registers after all ones were written to them.
    pub fn masks(&self) -> [u32; BAR_COUNT] {
        self.session.as_ref().map_or([0; BAR_COUNT], |session| session.masks)
    }

    /// Sets and clears bits of the command register; writing ones would clear the status bits above it, so zeroes are
    /// written there.
    fn change_command(&self, clear: u32, set: u32) {
        let command = self.read(COMMAND) & 0xffff;
        self.write(COMMAND, command & !clear | set);
    }

    /// Reads its base address registers. Their lengths are read back after writing all ones, so it must not decode
    /// meanwhile.
    fn read_bars(&self) -> (Bars, [u32; BAR_COUNT]) {
        self.change_command(COMMAND_PORTS | COMMAND_MEMORY | COMMAND_BUS_MASTER, 0);
        let (mut values, mut masks) = ([0; BAR_COUNT], [0; BAR_COUNT]);
        for ((offset, value), mask) in (FIRST_BAR..).step_by(4).zip(&mut values).zip(&mut masks) {
            *value = self.read(offset);
            self.write(offset, u32::MAX);
            *mask = self.read(offset);
            self.write(offset, *value);
        }
        (Bars::decode(&values, &masks), masks)
    }

    pub(super) fn open(&mut self) -> Result<(), OpenError> {
        if self.session.is_some() || self.awaits_registers {
            return Err(OpenError::Taken);
        }
        let mut registers = Vec::new();
        registers.try_reserve_exact(MAX_REGISTER_OBJECTS).map_err(|_| OpenError::OutOfMemory)?;
        let (bars, masks) = self.read_bars();
        let msix = pci::find_msix(&self.config());
        self.session = Some(Session { bars, masks, msix, registers });
        self.change_command(0, COMMAND_MEMORY | COMMAND_NO_WIRED_INTERRUPT);
        Ok(())
    }

    /// Disables bus mastering, interrupts and decoding. Returns the register objects that were created.
    pub(super) fn close(&mut self) -> Vec<ObjectId> {
        self.change_command(COMMAND_BUS_MASTER, 0);
        self.set_msix(0);
        self.change_command(COMMAND_PORTS | COMMAND_MEMORY, COMMAND_NO_WIRED_INTERRUPT);
        self.session.take().map(|session| session.registers).unwrap_or_default()
    }

    /// Prevents reopening before its registers have been unmapped everywhere.
    pub(super) fn await_registers(&mut self) {
        self.awaits_registers = true;
    }

    /// Records that its registers have been unmapped.
    pub(super) fn registers_are_back(&mut self) {
        self.awaits_registers = false;
    }

    /// Enables or disables bus mastering.
    pub fn set_bus_master(&mut self, enabled: bool) {
        if enabled {
            self.dma.note_master();
            self.change_command(0, COMMAND_BUS_MASTER);
        } else {
            self.change_command(COMMAND_BUS_MASTER, 0);
        }
    }

    /// Whether it is a bus master.
    pub fn is_bus_master(&self) -> bool {
        self.read(COMMAND) & COMMAND_BUS_MASTER != 0
    }

    /// An object for a range of registers, if it may be mapped.
    ///
    /// # Errors
    /// See [`RegistersRefused`].
    pub fn registers(
        &mut self,
        objects: &mut MemoryObjects,
        bar: u8,
        offset: u64,
        length: u64,
    ) -> Result<ObjectId, RegistersRefused> {
        let nothing = RegistersRefused::NotThere(RegistersError::NoMemory);
        let session = self.session.as_mut().ok_or(nothing)?;
        let start = session.bars.registers(bar, offset, length, session.msix.as_ref());
        let start = start.map_err(RegistersRefused::NotThere)?;
        if is_of_the_machine(&(start..start + length)) {
            return Err(RegistersRefused::Overlaps);
        }
        session.registers.retain(|&object| objects.get(object).is_some());
        if session.registers.len() >= MAX_REGISTER_OBJECTS {
            return Err(RegistersRefused::TooMany);
        }
        let first = Frame::at(PhysAddr::new_truncate(start));
        let object = objects.wrap_registers(first, length / FRAME_BYTES as u64);
        let object = object.map_err(|_| RegistersRefused::OutOfMemory)?;
        session.registers.push(object);
        Ok(object)
    }

    /// Its interrupt table, enabled; entries without a route stay masked.
    pub(super) fn interrupt_table(&mut self) -> Option<Table> {
        let session = self.session.as_ref()?;
        let msix = session.msix?;
        let (start, length) = session.bars.memory(msix.bar)?;
        let address = start.checked_add(msix.offset)?;
        if start == 0 || msix.pages().end > length.next_multiple_of(FRAME_BYTES as u64) {
            return None;
        }
        let addresses = address..address.checked_add(FRAME_BYTES as u64)?;
        if is_of_the_machine(&addresses) {
            return None;
        }
        let table = match self.table {
            Some(table) => table,
            None => {
                let table = Table::map(PhysAddr::new_truncate(address), msix.entries)?;
                self.table = Some(table);
                table
            }
        };
        self.set_msix(MSIX_ENABLE);
        Some(table)
    }

    fn set_msix(&self, enable: u32) {
        if let Some(MsixTable { capability, .. }) = self.session.as_ref().and_then(|session| session.msix) {
            let control = self.read(capability) & !(MSIX_ENABLE | MSIX_MASK_ALL);
            self.write(capability, control | enable);
        }
    }

    /// Frames held back because it may still access them.
    pub(super) fn held_frames(&self) -> u64 {
        self.dma.held_frames()
    }
}

/// Whether addresses belong to memory or the interrupt controllers, and not to a device.
fn is_of_the_machine(addresses: &Range<u64>) -> bool {
    kernel_space::is_ram(addresses) || arch::apic::is_own(addresses)
}
