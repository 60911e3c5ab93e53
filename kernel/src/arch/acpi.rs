//! The parts of ACPI needed for powering off (the FADT's power-management port and the DSDT's `_S5_`) and for its timer.

use super::port;
use crate::mm::physmap::{self, Plain};
use capos_kernel_core::clock::Reference;
use core::sync::atomic::{AtomicU32, Ordering};
use x86_64::PhysAddr;

/// Port in the low half, sleep type in the high half; 0 if unknown.
static POWER_OFF: AtomicU32 = AtomicU32::new(0);

/// The timer's port in the low half, its width in bits in the high half; 0 if there is none.
static TIMER: AtomicU32 = AtomicU32::new(0);

const TIMER_HERTZ: u64 = 3_579_545;
/// FADT flag: the timer has 32 bits rather than 24.
const TIMER_IS_WIDE: u32 = 1 << 8;
const SLEEP_ENABLE: u16 = 1 << 13;
const HEADER_BYTES: u64 = 36;
/// Tables are read through the boot page tables, which map this much.
const MAPPED_LIMIT: u64 = 1 << 32;
/// More than any DSDT; a bound against damaged tables.
const MAX_TABLE_BYTES: u32 = 4 << 20;

fn read<T: Plain>(table: u64, offset: u64) -> Option<T> {
    let address = table.checked_add(offset).filter(|&at| table != 0 && at + 16 <= MAPPED_LIMIT)?;
    Some(physmap::read(PhysAddr::new_truncate(address)))
}

/// Records how to power off and where the timer is. Must run while the boot page tables are in use.
pub fn init(rsdp: PhysAddr) {
    let Some(fadt) = find_fadt(rsdp.as_u64()) else { return };
    if let Some((port, sleep_type)) = find_power_off(fadt) {
        POWER_OFF.store(u32::from(port) | u32::from(sleep_type) << 16, Ordering::Relaxed);
    }
    if let Some((port, bits)) = find_timer(fadt) {
        TIMER.store(u32::from(port) | u32::from(bits) << 16, Ordering::Relaxed);
    }
}

fn find_fadt(rsdp: u64) -> Option<u64> {
    let rsdt = u64::from(read::<u32>(rsdp, 16)?);
    let length = read::<u32>(rsdt, 4)?.min(MAX_TABLE_BYTES);
    (HEADER_BYTES..u64::from(length))
        .step_by(4)
        .filter_map(|offset| read::<u32>(rsdt, offset).map(u64::from))
        .find(|&table| read::<[u8; 4]>(table, 0) == Some(*b"FACP"))
}

fn find_power_off(fadt: u64) -> Option<(u16, u16)> {
    let port = u16::try_from(read::<u32>(fadt, 64)?).ok()?;
    let dsdt = u64::from(read::<u32>(fadt, 40)?);
    Some((port, sleep_type(dsdt)?))
}

fn find_timer(fadt: u64) -> Option<(u16, u16)> {
    let port = u16::try_from(read::<u32>(fadt, 76)?).ok().filter(|&port| port != 0)?;
    let has_timer = read::<u8>(fadt, 91)? == 4;
    let bits = if read::<u32>(fadt, 112)? & TIMER_IS_WIDE != 0 { 32 } else { 24 };
    has_timer.then_some((port, bits))
}

fn timer() -> (u16, u32) {
    let known = TIMER.load(Ordering::Relaxed);
    let [low, high, bits, _] = known.to_le_bytes();
    (u16::from_le_bytes([low, high]), bits.into())
}

/// The timer as a reference clock, if there is one.
pub(super) fn timer_reference() -> Option<Reference> {
    let (port, bits) = timer();
    (port != 0).then_some(Reference { hertz: TIMER_HERTZ, bits })
}

/// Reads the timer; 0 if there is none.
pub(super) fn read_timer() -> u64 {
    let (port, _) = timer();
    if port == 0 { 0 } else { port::read_u32(port).into() }
}

/// Finds `Name (_S5_, Package () { type, … })` in the DSDT's byte code.
fn sleep_type(dsdt: u64) -> Option<u16> {
    let length = read::<u32>(dsdt, 4)?.min(MAX_TABLE_BYTES);
    let at = (HEADER_BYTES..u64::from(length)).find(|&at| read::<[u8; 4]>(dsdt, at) == Some(*b"_S5_"))?;
    // After the name: package opcode, package length (one byte for so short a package), element count.
    let [opcode, _length, _count, first, second]: [u8; 5] = read(dsdt, at + 4)?;
    if opcode != 0x12 {
        return None;
    }
    // A byte prefix (0x0a) may precede the value; 0 and 1 have their own opcodes.
    Some(u16::from(if first == 0x0a { second } else { first }))
}

/// Powers the machine off if the method is known.
pub(super) fn power_off() {
    let known = POWER_OFF.load(Ordering::Relaxed);
    let [port_low, port_high, type_low, type_high] = known.to_le_bytes();
    let port = u16::from_le_bytes([port_low, port_high]);
    if port != 0 {
        port::write_u16(port, SLEEP_ENABLE | u16::from_le_bytes([type_low, type_high]) << 10);
    }
}
