//! Kernel panics: the end of a run after a kernel bug. All available information goes to the log.

use crate::{
    arch::{backtrace, power, screen},
    klog,
};
use core::fmt::Write as _;

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    klog!("kernel panic: {info}");
    // Writing to the screen reports no error.
    let _ = writeln!(screen::Writer::begin(), "capOS kernel panic: {info}");
    backtrace::log_here();
    power::exit_after_panic()
}
