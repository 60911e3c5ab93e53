//! The WebAssembly host of capOS.
//!
//! One process hosts many WebAssembly instances. Every WASI import of an instance becomes a call on a
//! Cap'n Proto capability that the instance was granted; what was not granted does not exist for it.
//!
//! * [`wasi`] holds WASI Preview 1: each function once, as an async function over an instance's
//!   [`wasi::Context`] and its checked [`wasi::GuestMemory`], and one table that says what each needs.
//! * [`engine`] binds those functions to WebAssembly engines.
//! * [`Host`] starts instances, [`InstanceHandle`] watches and ends them, [`server`] offers both as the
//!   Cap'n Proto interfaces of `schema/wasm.capnp`.
//!
//! Nothing here knows an executor: the embedder passes a [`Spawn`], and all futures stay on its thread.

mod cache;
mod end;
pub mod engine;
mod held;
mod host;
mod instance;
mod launch;
mod limits;
mod run;
pub mod server;
pub mod wasi;

pub use capos_restart::Restart;
pub use end::{End, Trap};
pub use held::{NamedGrant, WrongInterface, well_known};
pub use host::{Discard, Host, HostConfig, InstanceSpec, Options, RestartObserver, Spawn, UnknownImports};
pub use instance::{CallError, InstanceHandle, StartTime, Usage, Value, ValueType};
pub use launch::{Launch, LaunchError};
pub use limits::Limits;
pub use wasi::{Grants, Preopen, Refusal, Sink, Source};
