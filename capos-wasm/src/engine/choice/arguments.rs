//! The arguments that every engine can pass.

use crate::engine::wasmi;

/// The parameters of an imported function: a tuple of `u32` and `u64`.
pub(crate) trait Arguments: wasmi::Parameters {}
impl<A: wasmi::Parameters> Arguments for A {}
