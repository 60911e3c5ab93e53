//! The kernel's log on the second serial port. Lines are buffered until the port accepts them, as signalled by an
//! interrupt, so that nothing waits for it; at the end, the rest is written by polling.

use crate::arch::{
    Lock,
    serial::{FIFO_BYTES, Interests, LOG as LOG_PORT},
    time,
};
use capos_kernel_core::backlog::Backlog;
use core::fmt::{self, Write};

/// Size of the buffer.
const KEPT_BYTES: usize = 16 * 1024;
/// Maximum bytes given to the port at once.
const GIVEN_BYTES: usize = 512;
/// Marks the lines of programs.
const USER_MARK: &[u8] = b"[user] ";

struct Log {
    backlog: Backlog<KEPT_BYTES>,
    /// Whether the last byte written by programs ended a line.
    at_line_start: bool,
    /// Whether the port interrupts when it accepts bytes.
    interrupts: bool,
}

static LOG: Lock<Log> = Lock::new(Log { backlog: Backlog::new(), at_line_start: true, interrupts: false });

/// Writes to the port by polling.
struct WaitingPort;

impl Write for WaitingPort {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        LOG_PORT.write_waiting(text.as_bytes());
        Ok(())
    }
}

impl Log {
    /// Writes as much as the port accepts now.
    fn drain(&mut self) {
        let mut left = GIVEN_BYTES;
        while left > 0 && !self.backlog.is_empty() && LOG_PORT.can_write() {
            let bytes = self.backlog.front(FIFO_BYTES.min(left));
            let count = bytes.len();
            LOG_PORT.put(bytes);
            self.backlog.give(count);
            left -= count;
        }
        let waits = !self.backlog.is_empty();
        if waits || self.interrupts {
            self.interrupts = waits;
            LOG_PORT.set_interrupts(Interests { input: false, output_space: waits });
        }
    }

    /// Writes everything to the port by polling.
    fn flush(&mut self) {
        while !self.backlog.is_empty() {
            let bytes = self.backlog.front(FIFO_BYTES);
            let count = bytes.len();
            LOG_PORT.write_waiting(bytes);
            self.backlog.give(count);
        }
        LOG_PORT.wait_until_sent();
    }

    /// Adds a line, separated from an unfinished line of a program.
    fn add(&mut self, line: fmt::Arguments<'_>) {
        let before = if self.at_line_start { "" } else { "\n" };
        self.at_line_start |= self.backlog.add_line(format_args!("{before}{line}\n"));
        self.drain();
    }

    /// Adds bytes of a program while there is room.
    fn add_user_bytes(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            let mark = if self.at_line_start { USER_MARK } else { &[] };
            if self.backlog.spare() <= mark.len() {
                break;
            }
            self.backlog.add_some(mark);
            let line = rest.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
            let count = self.backlog.add_some(line);
            self.at_line_start = count == line.len() && line.ends_with(b"\n");
            taken += count;
        }
        taken
    }
}

/// Writes one log line, prefixed with the time.
pub fn line(arguments: fmt::Arguments<'_>) {
    let now_us = time::now_ns() / 1000;
    bare_line(format_args!("[{:4}.{:06}] {arguments}", now_us / 1_000_000, now_us % 1_000_000));
}

/// Writes one log line without a prefix.
pub fn bare_line(arguments: fmt::Arguments<'_>) {
    match LOG.try_lock() {
        Some(mut log) => log.add(arguments),
        // The kernel failed while it wrote a line. This port accepts everything, so there is no error to report.
        None => {
            let _ = writeln!(WaitingPort, "{arguments}");
        }
    }
}

/// Writes bytes of a program to the log while there is room, each line marked so that it cannot be mistaken for the
/// kernel's. Returns the number of bytes accepted.
pub fn try_user_bytes(bytes: &[u8]) -> usize {
    let mut log = LOG.lock();
    let mut taken = log.add_user_bytes(bytes);
    log.drain();
    if taken == 0 {
        taken = log.add_user_bytes(bytes);
        log.drain();
    }
    taken
}

/// Handles the port's interrupt: it accepts bytes again.
pub fn port_interrupt() {
    LOG.lock().drain();
}

/// Writes the buffered rest by polling: for the end of the system.
pub fn flush() {
    if let Some(mut log) = LOG.try_lock() {
        log.flush();
    }
}

/// Logs a line: `klog!("text {}", value)`.
#[macro_export]
macro_rules! klog {
    ($($argument:tt)*) => { $crate::log::line(format_args!($($argument)*)) };
}
