//! A thread's ring: raw access to the kernel, below futures and generated code.
//!
//! [`Ring`] maintains the index protocol. The validity of the memory behind an entry's addresses is up to the
//! caller of [`Ring::push`], which is therefore unsafe.

pub(crate) mod queue;
mod sync;

pub use queue::{Ring, RingFull};
#[cfg(target_os = "hermit")]
pub(crate) use sync::Reply;
pub(crate) use sync::SyncBuffer;

/// Calls `work` with the calling thread's ring, which it shares with the runtime: the caller's operations must be
/// complete, and their completions taken, before this returns. `work` must not allocate, because the heap uses the
/// ring too.
///
/// # Panics
/// On a thread that the runtime did not start, or when nested.
pub fn with_ring<T>(work: impl FnOnce(&mut Ring) -> T) -> T {
    crate::local::with_ring(work)
}
