//! The compiler service: turns WebAssembly modules into machine code that hosts can run.
//!
//! This process holds no compiler. It identifies modules, keeps a cache of their code, and starts a process of its own
//! for each module that must be compiled (`services/compiler/worker`), within limits. A worker writes machine code into
//! memory that it cannot execute; when it has ended, the service seals the memory and hands it out.
//! `docs/compiler.md` describes the limits, the cache, and who can do what.

mod cache;
mod counters;
mod features;
mod name;
mod options;
mod service;
mod settings;
mod signal;
mod slots;

pub use cache::{Cache, Directories};
pub use counters::Counters;
pub use name::{Name, Names};
pub use options::Options;
pub use service::{Launcher, Root, Service, Status};
pub use settings::Settings;
