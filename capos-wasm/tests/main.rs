//! The WebAssembly host, tested against in-process servers: one program for each behaviour.

mod bounds;
mod clocks;
mod compiled_only;
mod crowd;
mod directories;
mod docs;
mod files;
mod generated;
mod hello;
mod hints;
mod hostile;
mod hostile_calls;
mod hostile_paths;
mod invoke;
mod launch;
mod limits;
mod links;
mod many;
#[cfg(feature = "compiled-code")]
mod moving;
mod pipes;
mod polling;
mod probe;
mod proposals;
mod random;
mod restarts;
mod rights;
mod serving;
mod slices;
mod snapshot;
mod streams;
mod support;
