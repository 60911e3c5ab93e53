//! The glue between WebAssembly engines and the WASI functions, one module per engine.

pub(crate) mod wasmi;
