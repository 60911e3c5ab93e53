//! Enumerating the functions on all buses.

use super::{Address, MAX_FUNCTIONS};
use crate::OutOfMemory;
use alloc::vec::Vec;

const DEVICES_PER_BUS: u8 = 32;
const FUNCTIONS_PER_DEVICE: u8 = 8;
const NO_VENDOR: u16 = 0xffff;
const HEADER_ORDINARY: u8 = 0;
const HEADER_BRIDGE: u8 = 1;
const MANY_FUNCTIONS: u8 = 0x80;
/// Base class of bridges, including the host bridge: parts of the machine that processes may not drive.
const CLASS_BRIDGE: u32 = 0x06;

/// A function that exists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Function {
    /// Its address.
    pub address: Address,
    /// Vendor identifier.
    pub vendor: u16,
    /// Device identifier, assigned by the vendor.
    pub device: u16,
    /// Base class, subclass and programming interface, 8 bits each.
    pub class: u32,
    header: u8,
}

impl Function {
    /// Whether a process may drive it.
    #[must_use]
    pub const fn is_drivable(&self) -> bool {
        self.header == HEADER_ORDINARY && self.class >> 16 != CLASS_BRIDGE
    }
}

/// All reachable functions, including those behind bridges, in order of address; at most
/// [`MAX_FUNCTIONS`]. `read` reads a word of a function's configuration space and returns all ones if there
/// is no function.
///
/// # Errors
/// If there is not enough memory.
pub fn enumerate(mut read: impl FnMut(Address, u8) -> u32) -> Result<Vec<Function>, OutOfMemory> {
    let mut found = Vec::new();
    found.try_reserve_exact(MAX_FUNCTIONS)?;
    // Bit n is bus n: found, and still to be scanned. A bridge that leads to a known bus is not followed
    // again.
    let mut seen = [false; 256];
    let mut pending = [false; 256];
    (seen[0], pending[0]) = (true, true);
    while let Some(bus) = pending.iter().position(|&waits| waits) {
        pending[bus] = false;
        for device in 0..DEVICES_PER_BUS {
            for function in 0..FUNCTIONS_PER_DEVICE {
                let address = Address::new(bus as u8, device, function);
                let Some((entry, has_more)) = identify(address, &mut read) else {
                    // Every device has a function 0.
                    if function == 0 {
                        break;
                    }
                    continue;
                };
                if found.len() == MAX_FUNCTIONS {
                    found.sort_unstable_by_key(|function: &Function| function.address);
                    return Ok(found);
                }
                found.push(entry);
                if entry.header == HEADER_BRIDGE {
                    let [_, secondary, ..] = read(address, 0x18).to_le_bytes();
                    let secondary = usize::from(secondary);
                    if !seen[secondary] {
                        (seen[secondary], pending[secondary]) = (true, true);
                    }
                }
                if function == 0 && !has_more {
                    break;
                }
            }
        }
    }
    found.sort_unstable_by_key(|function| function.address);
    Ok(found)
}

/// The function at `address`, and whether its device may have more than one function.
fn identify(address: Address, read: &mut impl FnMut(Address, u8) -> u32) -> Option<(Function, bool)> {
    let [v0, v1, d0, d1] = read(address, 0).to_le_bytes();
    let (vendor, device) = (u16::from_le_bytes([v0, v1]), u16::from_le_bytes([d0, d1]));
    if vendor == NO_VENDOR {
        return None;
    }
    let class = read(address, 8) >> 8;
    let [_, _, header, _] = read(address, 12).to_le_bytes();
    let function = Function { address, vendor, device, class, header: header & !MANY_FUNCTIONS };
    Some((function, header & MANY_FUNCTIONS != 0))
}
