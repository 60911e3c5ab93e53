//! Device state for the rest of the kernel.

pub mod console;
