//! Start-up: from the boot loader's information to the first process.

mod init_process;
mod launch;
mod refusal;

use crate::{
    arch::{self, BootInfo, power},
    klog, log,
    mm::{self, TooLittleMemory},
    system::process::ExitCause,
};

use core::fmt::Write as _;
use refusal::{Refusal, refuse};

/// Starts the system. Runs on the boot stack with boot page tables.
pub fn run(info: &BootInfo) -> ! {
    arch::init_screen(info);
    if let Some(missing) = arch::missing_features() {
        refuse(&Refusal::Processor(missing));
    }
    if let Some(rsdp) = info.rsdp() {
        arch::acpi::init(rsdp);
    }
    if let Err(TooLittleMemory { found, needed }) = mm::init(info) {
        refuse(&Refusal::Memory { found, needed });
    }
    arch::keep_screen(info);
    let module = info.module().unwrap_or_else(|| refuse(&Refusal::NoPackage));
    arch::init();
    if info.has_screen() {
        // Writing to the screen cannot fail.
        let _ = writeln!(
            arch::screen::Writer::begin(),
            "capOS {}: the console is the first serial port (COM1), the log the second.",
            env!("CARGO_PKG_VERSION")
        );
    }
    let (free, total) = mm::frames::counts();
    klog!("capOS {}: {} of {} MiB free", env!("CARGO_PKG_VERSION"), free >> 8, total >> 8);
    crate::kernel::setup(|kernel| {
        kernel.console.set_interrupts();
        kernel.init_clock();
        kernel.init_services();
        init_process::start(kernel, module);
        kernel.first_user_tsc = arch::time::read_tsc();
        kernel.system.begin_accounting();
    });
    // Lines that the log port did not accept before its interrupt was routed.
    log::port_interrupt();
    arch::run()
}

/// The first process has ended: ends the system with its status.
pub(crate) fn init_ended(cause: ExitCause) {
    let status = match cause {
        ExitCause::Exited(status) => u8::try_from(status).unwrap_or(1),
        _ => 1,
    };
    klog!("the first process has ended");
    power::off(status)
}
