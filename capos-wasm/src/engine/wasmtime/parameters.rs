//! The parameters of host functions.

use wasmtime::WasmTyList;

/// Parameters that wasmtime can pass: a tuple of its types.
pub(crate) trait Parameters: WasmTyList + 'static {}
impl<P: WasmTyList + 'static> Parameters for P {}
