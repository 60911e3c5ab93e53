//! Configuration spaces of PCI functions, through the two legacy ports.

use super::port;
use capos_kernel_core::pci::Address;

const ADDRESS_PORT: u16 = 0xcf8;
const DATA_PORT: u16 = 0xcfc;
const ENABLE: u32 = 1 << 31;

fn select(address: Address, offset: u8) {
    port::write_u32(ADDRESS_PORT, ENABLE | u32::from(address.0) << 8 | u32::from(offset & !3));
}

/// Reads the word at `offset`, a multiple of 4. All ones if there is no device.
pub fn read(address: Address, offset: u8) -> u32 {
    select(address, offset);
    port::read_u32(DATA_PORT)
}

/// Writes the word at `offset`, a multiple of 4. The caller is responsible for the device's reaction: a bus master can
/// write memory.
pub fn write(address: Address, offset: u8, value: u32) {
    select(address, offset);
    port::write_u32(DATA_PORT, value);
}
