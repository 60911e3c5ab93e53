//! What happens when the kernel itself is wrong: everything known goes to the log, then the run ends.

use crate::{
    arch::{backtrace, power},
    klog,
};

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    klog!("kernel panic: {info}");
    backtrace::log_here();
    power::exit_after_panic()
}
