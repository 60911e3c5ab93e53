//! 16550 serial ports: COM1 is the guest's console, COM2 the kernel's log. Both interrupt when they accept bytes; the log
//! port can also be polled, so that it works while the kernel panics.

use super::port::{read_u8, write_u8};

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
/// Line status: the last byte has left the port, too.
const LINE_IDLE: u8 = 1 << 6;
/// Number of polls of a port that accepts nothing before its bytes are dropped: a minute or more, since whatever reads
/// them may be delayed on a busy host. An absent port answers at once that it is empty.
pub const POLL_LIMIT: u32 = 100_000_000;

/// FIFO control: enabled, emptied, and an interrupt after 14 of 16 bytes, or after fewer and a pause of four bytes'
/// time. QEMU delivers only as many bytes at once as are missing for the interrupt.
const FIFO_SETTING: u8 = 0b1100_0111;

/// One of the ports, by its first register.
#[derive(Clone, Copy, Debug)]
pub struct Port(u16);

/// The guest's console.
pub const CONSOLE: Port = Port(0x3f8);
/// The kernel's log.
pub const LOG: Port = Port(0x2f8);

/// Makes [`Port::write_waiting`] work. The console port is configured at the same time, because that drops received
/// bytes, and the host sends input from the first log line on.
pub(super) fn init_ports() {
    CONSOLE.configure();
    LOG.configure();
}

impl Port {
    fn set(self, register: u16, value: u8) {
        write_u8(self.0 + register, value);
    }

    /// 115200 baud, 8 bits, no parity, one stop bit, FIFOs on and empty, interrupts off.
    fn configure(self) {
        self.set(INTERRUPT_ENABLE, 0);
        self.set(LINE_CONTROL, 0x80);
        self.set(DATA, 1);
        self.set(INTERRUPT_ENABLE, 0);
        self.set(LINE_CONTROL, 0x03);
        self.set(FIFO_CONTROL, FIFO_SETTING);
        self.set(MODEM_CONTROL, 0x0b);
    }

    /// Whether it accepts [`FIFO_BYTES`] at once.
    pub fn can_write(self) -> bool {
        read_u8(self.0 + LINE_STATUS) & TRANSMITTER_EMPTY != 0
    }

    /// Writes at most [`FIFO_BYTES`]; the port must be ready.
    pub fn put(self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.set(DATA, byte));
    }

    /// Writes bytes while it accepts them, and returns the number.
    pub fn write(self, bytes: &[u8]) -> usize {
        let ready = bytes.chunks(FIFO_BYTES).take_while(|_| self.can_write());
        ready.inspect(|chunk| self.put(chunk)).map(<[u8]>::len).sum()
    }

    /// Writes by polling. Ends early if the port accepts nothing.
    pub fn write_waiting(self, bytes: &[u8]) {
        for chunk in bytes.chunks(FIFO_BYTES) {
            if !(0..POLL_LIMIT).any(|_| self.can_write()) {
                return;
            }
            self.put(chunk);
        }
    }

    /// Waits until everything written has left the port: what has not is lost when the machine stops.
    pub fn wait_until_sent(self) {
        let _ = (0..POLL_LIMIT).any(|_| read_u8(self.0 + LINE_STATUS) & LINE_IDLE != 0);
    }

    /// Sets the events for which it interrupts. The line is lowered and, if one of the events is already pending, raised
    /// again: the interrupt controller sees only edges, so an interrupt that was handled but is pending again would
    /// otherwise be lost.
    pub fn set_interrupts(self, interests: Interests) {
        let input = if interests.input { RECEIVE_INTERRUPTS } else { 0 };
        let output = if interests.output_space { TRANSMIT_INTERRUPT } else { 0 };
        self.set(INTERRUPT_ENABLE, 0);
        self.set(INTERRUPT_ENABLE, input | output);
    }

    /// Reads a byte that was received.
    pub fn read(self) -> Input {
        let status = read_u8(self.0 + LINE_STATUS);
        if status & (DATA_READY | BREAK) == 0 {
            return Input::Nothing;
        }
        let byte = read_u8(self.0 + DATA);
        if status & BREAK != 0 { Input::Break } else { Input::Byte(byte) }
    }
}

/// The content of a receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// A byte.
    Byte(u8),
    /// The other side signalled the end of input.
    Break,
    /// Nothing.
    Nothing,
}

/// The events for which a port interrupts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interests {
    /// Received bytes and breaks.
    pub input: bool,
    /// Room for output.
    pub output_space: bool,
}
