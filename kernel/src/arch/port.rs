//! I/O ports. Safe to call, because every caller is in `arch` and accesses a port of a device that it owns.

use x86_64::instructions::port::Port;

/// Reads a byte from `port`.
pub(super) fn read_u8(port: u16) -> u8 {
    // SAFETY: port reads do not touch memory known to Rust; callers own the device behind `port`.
    unsafe { Port::<u8>::new(port).read() }
}

/// Reads 32 bits from `port`.
pub(super) fn read_u32(port: u16) -> u32 {
    // SAFETY: as for `read_u8`.
    unsafe { Port::<u32>::new(port).read() }
}

/// Writes a byte to `port`.
pub(super) fn write_u8(port: u16, value: u8) {
    // SAFETY: no device driven here through ports writes memory in response to a port write.
    unsafe { Port::<u8>::new(port).write(value) }
}

/// Writes 16 bits to `port`.
pub(super) fn write_u16(port: u16, value: u16) {
    // SAFETY: as for `write_u8`.
    unsafe { Port::<u16>::new(port).write(value) }
}

/// Writes 32 bits to `port`.
pub(super) fn write_u32(port: u16, value: u32) {
    // SAFETY: as for `write_u8`.
    unsafe { Port::<u32>::new(port).write(value) }
}
