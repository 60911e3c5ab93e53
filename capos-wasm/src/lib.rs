//! The WebAssembly host of capOS.
//!
//! One process hosts many WebAssembly instances. Every WASI import of an instance becomes a call on a
//! Cap'n Proto capability that the instance was granted; what was not granted does not exist for it.
//!
//! * `resources` is what an instance holds, over Cap'n Proto clients and in no version of WASI's words.
//! * [`preview1`] puts WASI Preview 1 on it: each function once, as an async function over the instance's descriptors and
//!   its checked memory, and one table that says what each needs.
//! * `engine` runs modules, whose imports those functions are.
//! * `instance` is policy: starts, calls, ends, restarts. All layers keep one `account` of an instance.
//! * [`Host`] starts instances, [`InstanceHandle`] watches and ends them, [`server`] offers both as the
//!   Cap'n Proto interfaces of `schema/wasm.capnp`.
//!
//! Nothing here knows an executor: the embedder passes a [`Spawn`], and all futures stay on its thread.

mod account;
mod cache;
mod end;
mod engine;
mod held;
mod host;
mod instance;
mod launch;
mod limits;
mod options;
mod pace;
pub mod preview1;
mod resources;
pub mod server;
mod turns;
mod value;

pub use account::{Missing, Refusal, StartTime, Usage};
pub use capos_restart::Restart;
pub use end::{End, Trap};
pub use engine::EngineKind;
pub use held::{NamedGrant, WrongInterface, well_known};
pub use host::{Host, HostConfig, InstanceSpec, Spawn};
pub use instance::{CallError, InstanceHandle};
pub use launch::{Launch, LaunchError};
pub use limits::Limits;
pub use options::{Discard, Options, RestartObserver, UnknownImports};
pub use resources::{
    FastClock, FastSleep, Grants, PipeReader, PipeWriter, Preopen, Sink, Source, pipe, set_push,
};
pub use value::{Value, ValueType};
