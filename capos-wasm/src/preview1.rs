//! WASI Preview 1 (`wasi_snapshot_preview1`, and `wasi_unstable` before it), independent of the engine that runs the guest.
//!
//! Specification: the `preview1` snapshot of the WASI repository; where it is silent, the behaviour of
//! wasmtime.
//! [`FUNCTIONS`] lists for every function which capability it needs and what it returns without it.

mod clock;
mod context;
mod descriptor;
mod dispatch;
mod errno;
mod fd;
mod file_io;
mod filestat;
mod io;
mod iovec;
mod lend;
mod link;
mod memory;
mod open;
mod open_file;
mod path;
mod poll;
mod proc;
mod quota;
mod random;
mod readdir;
mod rights;
mod sched;
mod seek;
mod snapshot;
mod sock;
mod stop;
mod stream;
mod strings;
mod table;
mod task;

pub(crate) use context::Context;
pub use errno::Errno;
pub use memory::GuestMemory;
pub use snapshot::Snapshot;
pub use table::{Basis, FUNCTIONS, Function, MODULE, Needs, function};

pub(crate) use dispatch::Call;
pub(crate) use stop::Stop;
pub(crate) use table::for_each_function;
pub(crate) use task::Preview1;
