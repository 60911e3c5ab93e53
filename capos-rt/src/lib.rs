//! The userspace runtime of capOS.
//!
//! A program is an ordinary `fn main()` that links this crate (`use capos_rt as _;` is enough). The crate
//! starts the process, implements the standard library's platform layer, and turns the process's granted
//! capabilities into ordinary Cap'n Proto clients.
//!
//! Modules that meet the kernel or hand memory to it are the only unsafe ones; `unsafe` stands only in `arch::syscall`,
//! `bootstrap`, `local`, `message::arena`, `message::buffer`, `message::segment`, `platform`, `ring::queue`, `ring::sync`,
//! `runtime::call`, `runtime::endpoint`, `runtime::incoming`, `runtime::mapped`, `runtime::shared` and `testing`.

#[cfg(target_os = "hermit")]
pub mod alarm;
pub mod arch;
mod bootstrap;
mod local;
mod message;
mod methods;
#[cfg(target_os = "hermit")]
mod platform;
pub mod ring;
mod runtime;
#[cfg(not(target_os = "hermit"))]
pub mod testing;

pub use capos_abi as abi;
pub use capos_schema as schema;
#[cfg(target_os = "hermit")]
pub use platform::{Access, address_space, discard_bytes, free_in_parts};
pub use runtime::*;
