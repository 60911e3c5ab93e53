//! The hardware-independent part of the kernel: capabilities, calls, address space layout, scheduling order
//! and clock arithmetic.
//! The kernel binary carries out its decisions.
//!
//! There is no unsafe code here, and nothing allocates without a bound: every allocation may fail
//! with [`OutOfMemory`], which the binary turns into an error for the requesting process.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod alarm;
pub mod arena;
pub mod backlog;
pub mod caps;
pub mod clock;
pub mod elf;
pub mod frames;
pub mod ipc;
pub mod pci;
pub mod regions;
pub mod ring;
pub mod run_queue;
pub mod timers;
pub mod turns;
pub mod vectors;
pub mod walk;
pub mod work;

/// The kernel's own memory could not grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfMemory;

impl From<alloc::collections::TryReserveError> for OutOfMemory {
    fn from(_: alloc::collections::TryReserveError) -> Self {
        Self
    }
}

/// Means "no index" in links between records.
pub const NONE: u32 = u32::MAX;

/// The most bytes by which a table grows at once, so that growing takes a bounded time. The kernel's heap lets
/// large tables grow in place.
const GROWTH_BYTES: usize = 16 * 1024;

/// Reserves space for at least `additional` more records: doubles the number, but in increments of
/// [`GROWTH_BYTES`].
pub(crate) fn reserve<T>(table: &mut alloc::vec::Vec<T>, additional: usize) -> Result<(), OutOfMemory> {
    if table.capacity() - table.len() < additional {
        grow(table, additional)?;
    }
    Ok(())
}

#[cold]
fn grow<T>(table: &mut alloc::vec::Vec<T>, additional: usize) -> Result<(), OutOfMemory> {
    let piece = (GROWTH_BYTES / size_of::<T>().max(1)).max(4);
    let wanted = table.len().clamp(4, piece).max(additional);
    // If little memory is left, there may still be enough for what is needed now.
    if table.try_reserve_exact(wanted).is_err() {
        table.try_reserve_exact(additional)?;
    }
    Ok(())
}
