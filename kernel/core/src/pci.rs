//! PCI as the configuration spaces of its functions describe it: which functions there are, where their registers lie,
//! and which pages the interrupt tables are on. Everything read comes from devices and is checked.

mod bars;
mod capabilities;
mod enumerate;
#[cfg(test)]
mod tests;

pub use bars::{Bar, Bars, RegistersError};
pub use capabilities::{MsixTable, find_msix};
pub use enumerate::{Function, enumerate};

/// Bytes of a configuration space that the port mechanism reaches.
pub const CONFIG_BYTES: usize = 256;
/// A configuration space.
pub type Config = [u8; CONFIG_BYTES];
/// Most functions that are looked at.
pub const MAX_FUNCTIONS: usize = 64;
/// Base address registers of an ordinary function.
pub const BAR_COUNT: usize = 6;

/// Offset of the command register; the status register is the upper half of its word.
pub const COMMAND: u8 = 0x04;
/// Offset of the first base address register.
pub const FIRST_BAR: u8 = 0x10;

/// The command register's bit for answering at I/O ports.
pub const COMMAND_PORTS: u32 = 1 << 0;
/// The command register's bit for answering at memory addresses.
pub const COMMAND_MEMORY: u32 = 1 << 1;
/// The command register's bit for reading and writing memory by itself.
pub const COMMAND_BUS_MASTER: u32 = 1 << 2;
/// The command register's bit that forbids interrupts by wire.
pub const COMMAND_NO_WIRED_INTERRUPT: u32 = 1 << 10;

/// Where a function is: bus, device and function in 8, 5 and 3 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Address(pub u16);

impl Address {
    /// The function `function` (below 8) of device `device` (below 32) of a bus.
    #[must_use]
    pub const fn new(bus: u8, device: u8, function: u8) -> Self {
        Self((bus as u16) << 8 | (device as u16 & 31) << 3 | function as u16 & 7)
    }
}
