//! wasmtime with its portable interpreter, Pulley: a compiler produces the interpreter's instructions, and no page of
//! memory is executable.
//!
//! A call is a future that owns the store and runs the guest on a stack of its own; [`instance::Instance`] polls it. It
//! is pending because an imported function waits, because the guest's turn is over, or because a slice of fuel is
//! used up: [`pause::Pause`] says which.

mod call;
mod compile;
mod config;
mod convert;
mod costs;
mod data;
mod flags;
mod instance;
mod instantiate;
mod limits;
mod link;
mod metering;
mod parameters;
mod pause;
mod serve;
mod validate;

pub(super) use compile::Wasmtime;
pub(crate) use parameters::Parameters;
