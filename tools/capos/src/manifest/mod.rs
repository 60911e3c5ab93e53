//! Manifests: their typed form, and the steps from evaluated JSON to Cap'n Proto.

pub mod check;
pub mod convert;
pub mod decode;
mod json;
mod model;
mod units;

pub use model::*;
