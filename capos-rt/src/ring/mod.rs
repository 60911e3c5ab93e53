//! A thread's ring: the raw way to the kernel, below futures and generated code.
//!
//! [`Ring`] keeps the index protocol. What an entry's addresses point at is vouched for by whoever pushes
//! it, which is why [`Ring::push`] is unsafe.

mod queue;
mod sync;

pub use queue::{Ring, RingFull};
#[cfg(target_os = "hermit")]
pub(crate) use sync::Reply;
pub(crate) use sync::SyncBuffer;

/// Uses the calling thread's ring, which the runtime shares: operations of the caller's own must be complete,
/// and their completions taken, before this returns. `work` must not allocate, because the heap uses the ring too.
///
/// # Panics
/// On a thread that the runtime did not start, or inside itself.
pub fn with_ring<T>(work: impl FnOnce(&mut Ring) -> T) -> T {
    crate::local::with_ring(work)
}
