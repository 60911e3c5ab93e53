//! The arguments that every engine can pass.

use crate::engine::wasmi;
#[cfg(feature = "engine-wasmtime")]
use crate::engine::wasmtime;

/// The parameters of an imported function: a tuple of `u32` and `u64`.
#[cfg(not(feature = "engine-wasmtime"))]
pub(crate) trait Arguments: wasmi::Parameters {}
#[cfg(not(feature = "engine-wasmtime"))]
impl<A: wasmi::Parameters> Arguments for A {}

/// The parameters of an imported function: a tuple of `u32` and `u64`.
#[cfg(feature = "engine-wasmtime")]
pub(crate) trait Arguments: wasmi::Parameters + wasmtime::Parameters {}
#[cfg(feature = "engine-wasmtime")]
impl<A: wasmi::Parameters + wasmtime::Parameters> Arguments for A {}
