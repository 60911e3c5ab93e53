//! 16550 serial ports: COM1 is the guest's console, COM2 the kernel's log. Both interrupt when they accept bytes; the log
//! port can also be polled, so that it works while the kernel panics.

use super::port::{read_u8, write_u8};

const CONSOLE_BASE: u16 = 0x3f8;
const LOG_BASE: u16 = 0x2f8;

const DATA: u16 = 0;
const INTERRUPT_ENABLE: u16 = 1;
const FIFO_CONTROL: u16 = 2;
const LINE_CONTROL: u16 = 3;
const MODEM_CONTROL: u16 = 4;
const LINE_STATUS: u16 = 5;

/// Line status: a byte has been received.
const DATA_READY: u8 = 1 << 0;
/// Line status: the byte indicates a break.
const BREAK: u8 = 1 << 4;
/// Interrupts for received bytes and for line errors, of which a break is one.
const RECEIVE_INTERRUPTS: u8 = 0b0101;
const TRANSMIT_INTERRUPT: u8 = 0b0010;

/// Line status: the transmitter accepts another FIFO of bytes.
const TRANSMITTER_EMPTY: u8 = 1 << 5;
/// Bytes in the transmit FIFO.
pub const FIFO_BYTES: usize = 16;
/// Number of polls of an absent port before the byte is dropped.
const POLL_LIMIT: u32 = 100_000;

/// FIFO control: enabled, emptied, and an interrupt after 14 of 16 bytes, or after fewer and a pause of four bytes'
/// time. QEMU delivers only as many bytes at once as are missing for the interrupt.
const FIFO_SETTING: u8 = 0b1100_0111;

/// 115200 baud, 8 bits, no parity, one stop bit, FIFOs on and empty, interrupts off.
fn configure(base: u16) {
    write_u8(base + INTERRUPT_ENABLE, 0);
    write_u8(base + LINE_CONTROL, 0x80);
    write_u8(base + DATA, 1);
    write_u8(base + INTERRUPT_ENABLE, 0);
    write_u8(base + LINE_CONTROL, 0x03);
    write_u8(base + FIFO_CONTROL, FIFO_SETTING);
    write_u8(base + MODEM_CONTROL, 0x0b);
}

/// Makes [`write_log`] work. The console port is configured at the same time, because that drops received
/// bytes, and the host sends input from the first log line on.
pub(super) fn init_ports() {
    configure(CONSOLE_BASE);
    configure(LOG_BASE);
}

/// Writes to the log port by polling. Ends early if no device answers.
pub fn write_log(bytes: &[u8]) {
    write_waiting(LOG_BASE, bytes);
}

/// Writes to the console port in the same way, while no program uses it.
pub fn write_console_waiting(bytes: &[u8]) {
    write_waiting(CONSOLE_BASE, bytes);
}

fn write_waiting(base: u16, bytes: &[u8]) {
    for chunk in bytes.chunks(FIFO_BYTES) {
        let mut polls = 0;
        while read_u8(base + LINE_STATUS) & TRANSMITTER_EMPTY == 0 {
            polls += 1;
            if polls == POLL_LIMIT {
                return;
            }
            core::hint::spin_loop();
        }
        for byte in chunk {
            write_u8(base + DATA, *byte);
        }
    }
}

/// Writes at most [`FIFO_BYTES`] to the log port, which must be ready.
pub fn log_put(bytes: &[u8]) {
    for byte in bytes {
        write_u8(LOG_BASE + DATA, *byte);
    }
}

/// Enables or disables the log port's interrupt for accepting bytes. The line is lowered first, like the
/// console's.
pub fn log_set_interrupt(wanted: bool) {
    write_u8(LOG_BASE + INTERRUPT_ENABLE, 0);
    if wanted {
        write_u8(LOG_BASE + INTERRUPT_ENABLE, TRANSMIT_INTERRUPT);
    }
}

/// Whether the log port accepts [`FIFO_BYTES`] at once.
pub fn log_can_write() -> bool {
    read_u8(LOG_BASE + LINE_STATUS) & TRANSMITTER_EMPTY != 0
}

/// The content of the console's receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// A byte.
    Byte(u8),
    /// The other side signalled the end of input.
    Break,
    /// Nothing.
    Nothing,
}

/// The events for which the console interrupts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interests {
    /// Received bytes and breaks.
    pub input: bool,
    /// Room for output.
    pub output_space: bool,
}

/// Sets the events for which the console interrupts. The line is lowered and, if one of the events is already
/// pending, raised again: the interrupt controller sees only edges, so an interrupt that was handled but is pending
/// again would otherwise be lost.
pub fn console_set_interrupts(interests: Interests) {
    let input = if interests.input { RECEIVE_INTERRUPTS } else { 0 };
    let output = if interests.output_space { TRANSMIT_INTERRUPT } else { 0 };
    write_u8(CONSOLE_BASE + INTERRUPT_ENABLE, 0);
    write_u8(CONSOLE_BASE + INTERRUPT_ENABLE, input | output);
}

/// Whether the console accepts bytes now.
pub fn console_can_write() -> bool {
    read_u8(CONSOLE_BASE + LINE_STATUS) & TRANSMITTER_EMPTY != 0
}

/// Writes bytes to the console while it accepts them, and returns the number.
pub fn console_write(bytes: &[u8]) -> usize {
    let mut taken = 0;
    for chunk in bytes.chunks(FIFO_BYTES) {
        if read_u8(CONSOLE_BASE + LINE_STATUS) & TRANSMITTER_EMPTY == 0 {
            break;
        }
        for byte in chunk {
            write_u8(CONSOLE_BASE + DATA, *byte);
        }
        taken += chunk.len();
    }
    taken
}

/// Reads a byte that the console received.
pub fn console_read() -> Input {
    let status = read_u8(CONSOLE_BASE + LINE_STATUS);
    if status & (DATA_READY | BREAK) == 0 {
        return Input::Nothing;
    }
    let byte = read_u8(CONSOLE_BASE + DATA);
    if status & BREAK != 0 { Input::Break } else { Input::Byte(byte) }
}
