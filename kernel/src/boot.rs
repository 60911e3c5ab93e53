//! Start-up: from the boot loader's information to the first process.

use crate::{
    arch::{self, BootInfo, power},
    kernel::Kernel,
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
        kernel.init_clock();
        start_init(kernel, info);
    });
    arch::run()
}

fn start_init(kernel: &mut Kernel, info: &BootInfo) {
    let module = info.module().expect("no boot module");
    let pages = (module.end - module.start).div_ceil(4096);
    let image = kernel.objects.wrap(mm::frames::Frame::at(x86_64::PhysAddr::new_truncate(module.start)), pages).unwrap_or_else(|_| panic!());
    let new = crate::process::NewProcess{ image, image_offset: 0, image_length: module.end-module.start, name: "init", limits: crate::process::Limits{frames: 10000, capability_slots: 64, threads: 16, priority: 8}, executable: false};
    let (id, entry) = kernel.create_process(&new).unwrap();
    kernel.init = Some(id);
    let h = capos_abi::Handle::NULL;
    kernel.start_process(id, entry, &crate::process::Bootstrap{grants: &[], virtual_memory: h, thread_spawner: h, endpoint_factory: h, launch: &[]}).unwrap();
}

/// The first process has ended: the system ends with its status.
pub(crate) fn init_ended(_kernel: &mut Kernel, cause: ExitCause) {
    let status = match cause {
        ExitCause::Exited(status) => u8::try_from(status).unwrap_or(1),
        _ => 1,
    };
    power::off(status)
}
