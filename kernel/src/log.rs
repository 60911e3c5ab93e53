//! The kernel's log on the second serial port.

use crate::arch::{serial, time};
use core::{
    fmt::{self, Write},
    sync::atomic::{AtomicBool, Ordering},
};

struct LogPort;

impl Write for LogPort {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        serial::write_log(text.as_bytes());
        Ok(())
    }
}

/// Writes one log line with the time in front.
pub fn line(arguments: fmt::Arguments<'_>) {
    finish_user_line();
    let now_us = time::now_ns() / 1000;
    // The log port takes everything, so there is no error to report.
    let _ = writeln!(LogPort, "[{:4}.{:06}] {arguments}", now_us / 1_000_000, now_us % 1_000_000);
}

/// Writes one log line with nothing in front.
pub fn bare_line(arguments: fmt::Arguments<'_>) {
    finish_user_line();
    let _ = writeln!(LogPort, "{arguments}");
}

/// Whether the last byte that programs wrote to the log ended a line.
static AT_LINE_START: AtomicBool = AtomicBool::new(true);

/// Marks the lines of programs.
const USER_MARK: &[u8] = b"[user] ";

/// Writes bytes of a program to the log while the port takes them, each line marked so that none can pass for the
/// kernel's. Returns how many it took.
pub fn try_user_bytes(bytes: &[u8]) -> usize {
    let mut taken = 0;
    while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
        if !serial::log_can_write() {
            break;
        }
        let mark = if AT_LINE_START.load(Ordering::Relaxed) { USER_MARK } else { &[] };
        let mut chunk = [0; serial::FIFO_BYTES];
        let (front, room) = chunk.split_at_mut(mark.len());
        front.copy_from_slice(mark);
        let line = rest.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
        let count = line.len().min(room.len());
        for (place, byte) in room.iter_mut().zip(line) {
            *place = *byte;
        }
        serial::write_log(chunk.get(..mark.len() + count).unwrap_or_default());
        AT_LINE_START.store(count == line.len() && line.ends_with(b"\n"), Ordering::Relaxed);
        taken += count;
    }
    taken
}

/// Ends a line that a program began, so that the kernel's own lines stand alone.
fn finish_user_line() {
    if !AT_LINE_START.swap(true, Ordering::Relaxed) {
        serial::write_log(b"\n");
    }
}

/// Logs a line: `klog!("text {}", value)`.
#[macro_export]
macro_rules! klog {
    ($($argument:tt)*) => { $crate::log::line(format_args!($($argument)*)) };
}
