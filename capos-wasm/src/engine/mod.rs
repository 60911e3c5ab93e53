//! WebAssembly engines behind one small interface: compile, instantiate, call, resume, limits, backtrace.
//!
//! An engine knows neither what its imports do nor when an instance is to run: the former is a [`Host`], the latter the policy of
//! its user. All that names an engine stands in this folder; [`EngineKind`] is the choice.

mod choice;
mod early;
mod failure;
mod fuel;
mod host;
mod imports;
mod interface;
mod limiter;
mod names;
mod proposals;
mod start;
mod values;
mod wasmi;

pub use choice::EngineKind;
pub(crate) use early::check_early;
pub(crate) use host::{Arguments, Host, Linker, Outcome};
pub(crate) use interface::{Engine, Instance, Means, Module, Settings, Step};
pub(crate) use names::printable;
pub(crate) use start::START_EXPORT;
pub(crate) use values::{Returned, Signature, Type, Types, ValueTypes};
