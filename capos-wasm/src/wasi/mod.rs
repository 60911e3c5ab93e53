//! WASI Preview 1 (`wasi_snapshot_preview1`, and `wasi_unstable` before it), independent of the engine that runs the guest.
//!
//! Specification: the `preview1` snapshot of the WASI repository; where it is silent, what wasmtime does.
//! [`FUNCTIONS`] states for every function which capability it needs and what it returns without.

mod args;
mod clock;
mod context;
mod descriptor;
mod directory;
mod dispatch;
mod environ;
mod errno;
mod fd;
mod file;
mod file_io;
mod filestat;
mod input;
mod io;
mod iovec;
mod lend;
mod memory;
mod open;
mod output;
mod path;
mod pipe;
mod poll;
mod proc;
mod push;
mod random;
mod readdir;
mod refusal;
mod rights;
mod said;
mod sched;
mod seek;
mod snapshot;
mod sock;
mod stream;
mod strings;
mod table;
mod task;

pub use context::{Context, FastClock, FastSleep, Grants, Preopen, Sink, Source};
pub use errno::Errno;
pub use memory::GuestMemory;
pub use pipe::{PipeReader, PipeWriter, pipe};
pub use push::set_push;
pub use refusal::{Missing, Refusal};
pub use snapshot::Snapshot;
pub use table::{Basis, FUNCTIONS, Function, MODULE, Needs, function};

pub(crate) use dispatch::{Call, Reply, Stop};
pub(crate) use refusal::Refusals;
pub(crate) use table::for_each_function;
pub(crate) use task::Wasi;
