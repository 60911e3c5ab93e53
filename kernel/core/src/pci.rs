//! PCI as described by the configuration spaces: whether a function exists and may be driven, where its registers are,
//! and on which pages the interrupt tables are. Everything read comes from devices and is validated.

mod bars;
mod capabilities;
mod function;
#[cfg(test)]
mod tests;

pub use bars::{Bars, RegistersError};
pub use capabilities::{MsixTable, find_msix};
pub use function::{exists, is_drivable};

/// Bytes of a configuration space that the port mechanism can access.
pub const CONFIG_BYTES: usize = 256;
/// A configuration space.
pub type Config = [u8; CONFIG_BYTES];
/// Bytes of its header.
pub const HEADER_BYTES: usize = 64;
/// Number of base address registers of an ordinary function.
pub const BAR_COUNT: usize = 6;

/// Offset of the command register; the status register is the upper half of its word.
pub const COMMAND: u8 = 0x04;
/// Offset of the first base address register.
pub const FIRST_BAR: u8 = 0x10;

/// Command register bit: respond to accesses to I/O ports.
pub const COMMAND_PORTS: u32 = 1 << 0;
/// Command register bit: respond to accesses to memory addresses.
pub const COMMAND_MEMORY: u32 = 1 << 1;
/// Command register bit: the function may read and write memory (bus mastering).
pub const COMMAND_BUS_MASTER: u32 = 1 << 2;
/// Command register bit: disable wired interrupts.
pub const COMMAND_NO_WIRED_INTERRUPT: u32 = 1 << 10;

/// The address of a function: bus, device and function in 8, 5 and 3 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address(pub u16);
