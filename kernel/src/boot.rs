//! Start-up: from the boot loader's information to the first process.

use crate::{arch::BootInfo, klog, mm};

/// Starts everything. Runs on the boot stack with boot page tables.
pub fn run(info: &BootInfo) -> ! {
    klog!("capOS");
    for region in info.regions() {
        klog!("memory {:#x}..{:#x}", region.start, region.end);
    }
    klog!("module {:#x?}", info.module());
    mm::init(info);
    let (free, total) = mm::frames::counts();
    klog!("{free} of {total} frames free");
    panic!("nothing to run")
}
