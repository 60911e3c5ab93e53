//! 16550 serial ports: COM1 is the guest's console (interrupts), COM2 the kernel's log (polled, so that it works
//! while the kernel panics).

use super::port::{read_u8, write_u8};

const LOG_BASE: u16 = 0x2f8;

const DATA: u16 = 0;
const INTERRUPT_ENABLE: u16 = 1;
const FIFO_CONTROL: u16 = 2;
const LINE_CONTROL: u16 = 3;
const MODEM_CONTROL: u16 = 4;
const LINE_STATUS: u16 = 5;

/// Line status: the transmitter takes another FIFO full of bytes.
const TRANSMITTER_EMPTY: u8 = 1 << 5;
/// Bytes in the transmit FIFO.
const FIFO_BYTES: usize = 16;
/// How often a port that is not there is asked before the byte is given up.
const POLL_LIMIT: u32 = 100_000;

/// 115200 baud, 8 bits, no parity, one stop bit, FIFOs on and empty, interrupts off.
fn configure(base: u16) {
    write_u8(base + INTERRUPT_ENABLE, 0);
    write_u8(base + LINE_CONTROL, 0x80);
    write_u8(base + DATA, 1);
    write_u8(base + INTERRUPT_ENABLE, 0);
    write_u8(base + LINE_CONTROL, 0x03);
    write_u8(base + FIFO_CONTROL, 0x07);
    write_u8(base + MODEM_CONTROL, 0x0b);
}

/// Makes [`write_log`] work.
pub(super) fn init_log_port() {
    configure(LOG_BASE);
}

/// Writes to the log port, waiting for the device. Ends early when no device answers.
pub fn write_log(bytes: &[u8]) {
    for chunk in bytes.chunks(FIFO_BYTES) {
        let mut polls = 0;
        while read_u8(LOG_BASE + LINE_STATUS) & TRANSMITTER_EMPTY == 0 {
            polls += 1;
            if polls == POLL_LIMIT {
                return;
            }
            core::hint::spin_loop();
        }
        for byte in chunk {
            write_u8(LOG_BASE + DATA, *byte);
        }
    }
}
