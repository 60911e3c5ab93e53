//! The functions that the standard library's Hermit layer calls, on top of capabilities.
//!
//! A function whose capability was not granted, or whose service does not exist, returns the corresponding
//! negated errno.
#![expect(unsafe_code, reason = "these functions are called by name, with raw pointers")]

mod clock;
mod entropy;
mod errno;
mod exit;
mod futex;
mod heap;
mod memory;
mod start;
mod stdio;
mod thread;
mod tls;
mod unsupported;

pub(crate) use clock::monotonic_ns;
pub use heap::free_in_parts;
pub(crate) use heap::give_back;
pub use memory::{Access, address_space, discard_bytes};
