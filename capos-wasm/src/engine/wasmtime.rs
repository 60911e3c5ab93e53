//! wasmtime's runtime without a compiler: the code of a module comes from the [`Machine`], and is the processor's or that of
//! wasmtime's portable interpreter, Pulley.
//!
//! A call is a future that owns the store and runs the guest on a stack of its own; [`instance::Instance`] polls it. It
//! is pending because an imported function waits, because the guest's turn is over, because the machine interrupted the guest,
//! or because a slice of fuel is used up: [`pause::Pause`] says which.

mod call;
mod compile;
mod convert;
mod data;
mod engines;
mod instance;
mod instantiate;
mod limits;
mod link;
mod machine;
mod metering;
mod parameters;
mod pause;
mod serve;
mod state;
mod validate;

pub(super) use compile::Wasmtime;
pub use machine::Machine;
pub(crate) use parameters::Parameters;
