//! The end of the run.

use super::port;

const DEBUG_EXIT_PORT: u16 = 0xf4;
/// QEMU turns a written value `v` into exit status `2v + 1`; QEMU itself never uses these two.
const DEBUG_EXIT_DONE: u32 = 0x10;
const DEBUG_EXIT_PANIC: u32 = 0x20;

/// Stops the processor permanently.
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

/// Ends the run regularly: logs `status` for the host, then uses the debug-exit device if there is one, or else
/// ACPI.
pub fn off(status: u8) -> ! {
    crate::klog!("power off");
    crate::log::bare_line(format_args!("capos-exit-status: {status}"));
    crate::log::flush();
    super::serial::CONSOLE.wait_until_sent();
    port::write_u32(DEBUG_EXIT_PORT, DEBUG_EXIT_DONE);
    super::acpi::power_off();
    halt()
}
