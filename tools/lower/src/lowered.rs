//! The result of each step of a rewriting.

use anyhow::Error as Problem;
use wasm_encoder::reencode::Error;

/// The result of functions that read or write a module.
pub(crate) type Lowered<T = ()> = Result<T, Error<Problem>>;
