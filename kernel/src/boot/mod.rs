//! Start-up: from the boot loader's information to the first process.

mod init_process;
mod launch;

use crate::{
    arch::{self, BootInfo, power},
    klog, mm,
    process::ExitCause,
};

/// Starts everything. Runs on the boot stack with boot page tables.
pub fn run(info: &BootInfo) -> ! {
    if let Some(rsdp) = info.rsdp() {
        arch::acpi::init(rsdp);
    }
    mm::init(info);
    arch::init();
    let (free, total) = mm::frames::counts();
    klog!("capOS {}: {} of {} MiB free", env!("CARGO_PKG_VERSION"), free >> 8, total >> 8);
    crate::kernel::setup(|kernel| {
        kernel.console.set_interrupts();
        kernel.init_clock();
        kernel.init_ipc();
        kernel.init_services();
        init_process::start(kernel, info.module());
        kernel.first_user_tsc = arch::time::read_tsc();
    });
    arch::run()
}

/// The first process has ended: the system ends with its status.
pub(crate) fn init_ended(cause: ExitCause) {
    let status = match cause {
        ExitCause::Exited(status) => u8::try_from(status).unwrap_or(1),
        _ => 1,
    };
    klog!("the first process has ended");
    power::off(status)
}
