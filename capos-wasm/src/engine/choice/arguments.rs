//! The arguments that every engine can pass.

use crate::engine::wasmi;
#[cfg(feature = "compiled-code")]
use crate::engine::wasmtime;

/// The parameters of an imported function: a tuple of `u32` and `u64`.
#[cfg(not(feature = "compiled-code"))]
pub(crate) trait Arguments: wasmi::Parameters {}
#[cfg(not(feature = "compiled-code"))]
impl<A: wasmi::Parameters> Arguments for A {}

/// The parameters of an imported function: a tuple of `u32` and `u64`.
#[cfg(feature = "compiled-code")]
pub(crate) trait Arguments: wasmi::Parameters + wasmtime::Parameters {}
#[cfg(feature = "compiled-code")]
impl<A: wasmi::Parameters + wasmtime::Parameters> Arguments for A {}
