//! WebAssembly engines behind one small interface: compile, instantiate, call, resume, limits, backtrace.
//!
//! An engine knows neither what its imports do nor when an instance is to run: the imports are a [`Host`], and
//! scheduling is the policy of its user. All code specific to one engine is in this folder; [`EngineKind`] selects
//! an engine.

mod choice;
mod early;
mod exports;
mod failure;
mod fuel;
mod host;
mod imports;
mod interface;
mod inventory;
mod limiter;
mod movable;
mod names;
mod proposals;
mod transfer;
mod urgency;
mod values;
mod wasmi;
#[cfg(feature = "compiled-code")]
mod wasmtime;

#[cfg(feature = "compiled-code")]
pub use self::wasmtime::Machine;
pub(crate) use choice::Arguments;
pub use choice::EngineKind;
pub(crate) use early::check_early;
pub(crate) use exports::START_EXPORT;
pub(crate) use host::{Host, Linker, Outcome};
pub(crate) use interface::{Engine, Instance, Means, Module, Settings, Step};
pub(crate) use inventory::is_state_export;
pub(crate) use movable::{Movable, movable};
pub(crate) use names::printable;
pub(crate) use transfer::{State, transfer};
pub use urgency::Urgency;
pub(crate) use values::{Returned, Signature, Type, Types, ValueTypes};
