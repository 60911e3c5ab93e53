//! The kernel's log on the second serial port.

use crate::arch::{serial, time};
use core::fmt::{self, Write};

struct LogPort;

impl Write for LogPort {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        serial::write_log(text.as_bytes());
        Ok(())
    }
}

/// Writes one log line with the time in front.
pub fn line(arguments: fmt::Arguments<'_>) {
    let now_us = time::now_ns() / 1000;
    // The log port takes everything, so there is no error to report.
    let _ = writeln!(LogPort, "[{:4}.{:06}] {arguments}", now_us / 1_000_000, now_us % 1_000_000);
}

/// Writes one log line with nothing in front.
pub fn bare_line(arguments: fmt::Arguments<'_>) {
    let _ = writeln!(LogPort, "{arguments}");
}

/// Logs a line: `klog!("text {}", value)`.
#[macro_export]
macro_rules! klog {
    ($($argument:tt)*) => { $crate::log::line(format_args!($($argument)*)) };
}
