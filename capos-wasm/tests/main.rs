//! The WebAssembly host, tested against in-process servers: one program for each behaviour.

mod clocks;
mod hello;
mod hostile;
mod launch;
mod probe;
mod random;
mod streams;
mod support;
