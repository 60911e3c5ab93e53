//! The 8254 interval timer, used once to measure the faster clocks.

use super::port;

const HERTZ: u64 = 1_193_182;
/// About a millisecond.
const COUNT: u16 = 1193;
const MODE_PORT: u16 = 0x43;
const CHANNEL_2_PORT: u16 = 0x42;
const GATE_PORT: u16 = 0x61;
/// Gives up when the timer does not count: there is none.
const POLL_LIMIT: u32 = 10_000_000;

/// Waits for a known time and returns it in nanoseconds.
pub(super) fn wait() -> u64 {
    let gate = port::read_u8(GATE_PORT) & !0x03;
    port::write_u8(GATE_PORT, gate);
    // Channel 2, both bytes, mode 0: its output rises when the count is over.
    port::write_u8(MODE_PORT, 0xb0);
    let [low, high] = COUNT.to_le_bytes();
    port::write_u8(CHANNEL_2_PORT, low);
    port::write_u8(CHANNEL_2_PORT, high);
    port::write_u8(GATE_PORT, gate | 0x01);
    let mut polls = 0;
    while port::read_u8(GATE_PORT) & 0x20 == 0 {
        polls += 1;
        assert!(polls < POLL_LIMIT, "this machine has no interval timer");
    }
    u64::from(COUNT) * 1_000_000_000 / HERTZ
}
