//! The end of the run.

use super::port;

const DEBUG_EXIT_PORT: u16 = 0xf4;
/// QEMU turns a written value `v` into exit status `2v + 1`; these two are statuses QEMU never uses itself.
const DEBUG_EXIT_DONE: u32 = 0x10;
const DEBUG_EXIT_PANIC: u32 = 0x20;

/// Stops the processor for good.
pub fn halt() -> ! {
    loop {
        x86_64::instructions::interrupts::disable();
        x86_64::instructions::hlt();
    }
}

/// Ends the run after a kernel panic.
pub fn exit_after_panic() -> ! {
    crate::log::flush();
    port::write_u32(DEBUG_EXIT_PORT, DEBUG_EXIT_PANIC);
    halt()
}

/// Ends the run in an orderly way: logs `status` for the host, then uses the debug-exit device where there is one,
/// else ACPI.
pub fn off(status: u8) -> ! {
    crate::klog!("power off");
    crate::log::bare_line(format_args!("capos-exit-status: {status}"));
    crate::log::flush();
    port::write_u32(DEBUG_EXIT_PORT, DEBUG_EXIT_DONE);
    super::acpi::power_off();
    halt()
}
