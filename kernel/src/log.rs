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

/// Writes bytes of a program to the log, each line marked so that none can pass for the kernel's.
pub fn user_bytes(bytes: &[u8]) {
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if AT_LINE_START.load(Ordering::Relaxed) {
            serial::write_log(b"[user] ");
        }
        serial::write_log(line);
        AT_LINE_START.store(line.ends_with(b"\n"), Ordering::Relaxed);
    }
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
