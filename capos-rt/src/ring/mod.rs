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
