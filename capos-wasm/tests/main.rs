//! The WebAssembly host, tested against in-process servers: one program for each behaviour.

mod clocks;
mod docs;
mod hello;
mod hostile;
mod launch;
mod limits;
mod many;
mod polling;
mod probe;
mod random;
mod serving;
mod streams;
mod support;
