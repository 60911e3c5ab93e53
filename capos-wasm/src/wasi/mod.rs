//! WASI Preview 1 (`wasi_snapshot_preview1`), independent of the engine that runs the guest.
//!
//! Specification: the `preview1` snapshot of the WASI repository; where it is silent, what wasmtime does.
//! [`FUNCTIONS`] states for every function which capability it needs and what it returns without.

mod args;
mod clock;
mod context;
mod dispatch;
mod environ;
mod errno;
mod fd;
mod lend;
mod memory;
mod poll;
mod proc;
mod random;
mod sched;
mod stdin;
mod stream;
mod strings;
mod table;
mod task;

pub use context::{Context, FastClock, Grants};
pub use errno::Errno;
pub use memory::GuestMemory;
pub use table::{FUNCTIONS, Function, MODULE, Needs, State, function};

pub(crate) use dispatch::{Call, Reply, Stop};
pub(crate) use table::for_each_function;
pub(crate) use task::Wasi;
