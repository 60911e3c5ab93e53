//! Implementations of the Cap'n Proto interfaces of `schema/wasm.capnp`.

mod file;
mod grants;
mod host;
mod instance;
mod terminals;
mod value;

pub use host::{ModuleLookup, ServeInstance, WasmHost};
pub use instance::WasmInstance;
