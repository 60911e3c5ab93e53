//! The kernel's decisions, without any hardware: who holds which capability, who waits for whom, which
//! page may be used how, which thread runs next. The kernel binary carries them out.
//!
//! Nothing here is unsafe and nothing here allocates without a bound: every growth is fallible
//! and answers [`OutOfMemory`], which the binary turns into an error for the process that asked.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod arena;
pub mod caps;
pub mod elf;
pub mod frames;
pub mod ipc;
pub mod pci;
pub mod regions;
pub mod ring;
pub mod run_queue;
pub mod timers;

/// The kernel's own memory could not grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfMemory;

impl From<alloc::collections::TryReserveError> for OutOfMemory {
    fn from(_: alloc::collections::TryReserveError) -> Self {
        Self
    }
}

/// Stands for "no index" in links between records.
pub(crate) const NONE: u32 = u32::MAX;
