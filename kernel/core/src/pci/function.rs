//! Functions: what exists at an address.

use super::Address;

const FUNCTION: u16 = 7;
const NO_VENDOR: u16 = 0xffff;
const HEADER_ORDINARY: u8 = 0;
const MANY_FUNCTIONS: u8 = 0x80;
/// Base class of bridges, including the host bridge: parts of the machine that processes may not drive.
const CLASS_BRIDGE: u8 = 0x06;

/// Whether there is a function at `address`. `read` reads a word of a configuration space, and returns all ones if there
/// is no function.
#[must_use]
pub fn exists(address: Address, read: impl Fn(Address, u8) -> u32) -> bool {
    let first = Address(address.0 & !FUNCTION);
    let has = |address| read(address, 0) as u16 != NO_VENDOR;
    // A device with a single function may answer in place of others, too.
    let may_have = |first| has(first) && header(read(first, 12)) & MANY_FUNCTIONS != 0;
    has(address) && (address == first || may_have(first))
}

/// Whether a process may drive the function at `address`.
#[must_use]
pub fn is_drivable(address: Address, read: impl Fn(Address, u8) -> u32) -> bool {
    let [.., class] = read(address, 8).to_le_bytes();
    let header = header(read(address, 12)) & !MANY_FUNCTIONS;
    exists(address, read) && header == HEADER_ORDINARY && class != CLASS_BRIDGE
}

const fn header(word: u32) -> u8 {
    let [_, _, header, _] = word.to_le_bytes();
    header
}
