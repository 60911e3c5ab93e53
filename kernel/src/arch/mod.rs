//! The processor and the machine: the only place with assembly, port and model-specific-register access.
#![expect(unsafe_code, reason = "hardware is reached by instructions that the compiler cannot check")]

mod boot;
mod bootinfo;
mod cpu;
mod image;
mod lock;
mod port;
pub mod power;
pub mod serial;
pub mod time;

pub use bootinfo::{BootInfo, MemoryRegion};
pub use cpu::{cpu_index, has_1g_pages, load_root, zero_words};
pub use image::{ImagePart, KERNEL_BASE, image_parts, image_region};
pub use lock::{Guard, Lock};
