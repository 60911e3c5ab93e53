//! The WebAssembly host of capOS.
//!
//! One process hosts many WebAssembly instances. Every WASI import of an instance becomes a call on a
//! Cap'n Proto capability that the instance was granted; it has no access to anything else.
//!
//! * `resources` contains what an instance holds, as Cap'n Proto clients and independent of WASI.
//! * [`preview1`] implements WASI Preview 1 on top: each function as one async function that works on the instance's
//!   descriptors and its checked memory, and one table that describes all functions.
//! * `engine` runs modules and provides those functions as imports.
//! * `instance` is policy: starts, calls, ends, restarts. All layers share one `account` of an instance.
//! * [`Host`] starts instances, [`InstanceHandle`] monitors and ends them, [`server`] provides both as the
//!   Cap'n Proto interfaces of `schema/wasm.capnp`.
//!
//! The library is independent of the executor: the embedder passes a [`Spawn`], and all futures stay on its thread.

mod account;
mod cache;
mod config;
mod end;
mod engine;
mod host;
mod instance;
mod launch;
mod limits;
mod options;
mod pace;
pub mod preview1;
mod resources;
pub mod server;
mod tiers;
mod turns;
mod value;

pub use account::{Missing, Refusal, StartTime, Usage};
pub use capos_restart::Restart;
pub use config::{HostConfig, InstanceSpec};
pub use end::{End, Trap};
#[cfg(feature = "compiled-code")]
pub use engine::Machine;
pub use engine::{EngineKind, Urgency};
pub use host::Host;
pub use instance::{CallError, InstanceHandle};
pub use launch::{Launch, LaunchError};
pub use limits::Limits;
pub use options::{Discard, EngineChoice, Note, Options, RestartObserver, Spawn, UnknownImports};
pub use resources::{
    FastClock, FastSleep, Grants, NamedGrant, PipeReader, PipeWriter, Preopen, Sink, Source, WrongInterface,
    pipe, set_push, well_known,
};
pub use value::{Value, ValueType};
