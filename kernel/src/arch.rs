//! The processor and the machine: the only place with assembly, port and model-specific-register access.
#![expect(unsafe_code, reason = "hardware is accessed by instructions that the compiler cannot check")]

pub mod acpi;
pub mod apic;
pub mod backtrace;
mod boot;
mod bootinfo;
pub mod calibration;
mod context;
mod cpu;
mod handlers;
mod image;
mod isolation;
mod lock;
pub mod msix;
pub mod pci;
mod percpu;
mod pit;
mod port;
pub mod power;
pub mod random;
pub mod rtc;
pub mod screen;
pub mod serial;
mod tables;
pub mod time;
mod vectors;

pub use bootinfo::{BootInfo, MemoryRegion};
pub use context::ThreadState;
pub use cpu::{
    Missing, allow_user_tsc, copy_bytes, cpu_index, flush_page, flush_user_pages, has_1g_pages, load_root,
    measure_syscalls, missing_features, zero_words,
};
pub use handlers::{Trap, run};
pub use image::{KERNEL_BASE, image_parts, image_region};
pub use lock::Lock;
pub use percpu::{Resume, exchange, install, install_none, install_other, save};

/// Starts using the screen. The boot page tables must be in use.
pub fn init_screen(info: &BootInfo) {
    if let Some(framebuffer) = info.framebuffer() {
        screen::init(&framebuffer);
    }
}

/// Continues to use the screen after memory management has been initialised.
pub fn keep_screen(info: &BootInfo) {
    if let Some(framebuffer) = info.framebuffer() {
        screen::remap(&framebuffer);
    }
}

/// Initialises the processor and the interrupt controllers. Memory management must be initialised.
pub fn init() {
    cpu::init();
    percpu::init_boot_cpu();
    isolation::init();
    apic::init();
}
