//! The kernel's log on the second serial port. Lines are kept until the port takes them, which an interrupt says, so that
//! nobody waits for it; before the end, what is left is written out.

use crate::arch::{Lock, serial, time};
use capos_kernel_core::backlog::Backlog;
use core::fmt::{self, Write};

/// The length of the log that is kept.
const KEPT_BYTES: usize = 16 * 1024;
/// The length that is given to the port at once, if it takes that much.
const GIVEN_BYTES: usize = 512;
/// Marks the lines of programs.
const USER_MARK: &[u8] = b"[user] ";

struct Log {
    backlog: Backlog<KEPT_BYTES>,
    /// The last byte that programs wrote ended a line.
    at_line_start: bool,
    /// The port interrupts when it takes bytes.
    interrupts: bool,
}

static LOG: Lock<Log> = Lock::new(Log { backlog: Backlog::new(), at_line_start: true, interrupts: false });

/// Writes to the port and waits for it.
struct WaitingPort;

impl Write for WaitingPort {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        serial::write_log(text.as_bytes());
        Ok(())
    }
}

impl Log {
    /// Gives the port what it takes now.
    fn drain(&mut self) {
        let mut left = GIVEN_BYTES;
        while left > 0 && !self.backlog.is_empty() && serial::log_can_write() {
            let bytes = self.backlog.front(serial::FIFO_BYTES.min(left));
            let count = bytes.len();
            serial::log_put(bytes);
            self.backlog.give(count);
            left -= count;
        }
        let waits = !self.backlog.is_empty();
        if waits || self.interrupts {
            self.interrupts = waits;
            serial::log_set_interrupt(waits);
        }
    }

    /// Gives the port everything, and waits for it.
    fn flush(&mut self) {
        while !self.backlog.is_empty() {
            let bytes = self.backlog.front(serial::FIFO_BYTES);
            let count = bytes.len();
            serial::write_log(bytes);
            self.backlog.give(count);
        }
    }

    /// Adds a line, which stands alone even if a program has begun one.
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

/// Writes one log line with the time in front.
pub fn line(arguments: fmt::Arguments<'_>) {
    let now_us = time::now_ns() / 1000;
    bare_line(format_args!("[{:4}.{:06}] {arguments}", now_us / 1_000_000, now_us % 1_000_000));
}

/// Writes one log line with nothing in front.
pub fn bare_line(arguments: fmt::Arguments<'_>) {
    match LOG.try_lock() {
        Some(mut log) => log.add(arguments),
        // The kernel has failed while it wrote a line. This port takes everything, so there is no error to report.
        None => {
            let _ = writeln!(WaitingPort, "{arguments}");
        }
    }
}

/// Writes bytes of a program to the log while there is room, each line marked so that none can pass for the kernel's. Returns how
/// many it took.
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

/// The port takes bytes again.
pub fn port_interrupt() {
    LOG.lock().drain();
}

/// Writes out what is kept, waiting for the port: for the end of the system.
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
