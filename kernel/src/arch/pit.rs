//! The second channel of the 8254 interval timer as a free-running counter: the reference clock of machines without an
//! ACPI timer.

use super::port;
use capos_kernel_core::clock::Reference;

/// The rate and the width of its counter.
pub(super) const REFERENCE: Reference = Reference { hertz: 1_193_182, bits: 16 };

const MODE_PORT: u16 = 0x43;
const CHANNEL_2_PORT: u16 = 0x42;
const GATE_PORT: u16 = 0x61;
/// Channel 2, both bytes, mode 2: counts down from 65536 repeatedly.
const RATE_GENERATOR: u8 = 0xb4;
/// Channel 2: latch the count for reading.
const LATCH: u8 = 0x80;

/// Starts the counter.
pub(super) fn start() {
    // Gate on, speaker off.
    let gate = port::read_u8(GATE_PORT) & !0x03;
    port::write_u8(GATE_PORT, gate | 0x01);
    port::write_u8(MODE_PORT, RATE_GENERATOR);
    port::write_u8(CHANNEL_2_PORT, 0);
    port::write_u8(CHANNEL_2_PORT, 0);
}

/// Reads the counter, converted to count up.
pub(super) fn read() -> u64 {
    port::write_u8(MODE_PORT, LATCH);
    let low = port::read_u8(CHANNEL_2_PORT);
    let high = port::read_u8(CHANNEL_2_PORT);
    u16::from_le_bytes([low, high]).wrapping_neg().into()
}
