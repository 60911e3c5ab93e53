//! The choice of an engine.

mod arguments;

pub(crate) use arguments::Arguments;

/// The part of the crate's interface that concerns engines.
pub(crate) mod public {
    pub use super::EngineKind;
    #[cfg(feature = "engine-wasmtime")]
    pub use crate::engine::wasmtime::Machine;
}

#[cfg(feature = "engine-wasmtime")]
use super::wasmtime::{Machine, Wasmtime};
use super::{Engine, Host, wasmi::Wasmi};
use std::rc::Rc;

/// An engine that can run a host's instances.
#[derive(Clone, Default)]
pub enum EngineKind {
    /// wasmi: an interpreter, for small, metered, instantly started modules.
    #[default]
    Wasmi,
    /// wasmtime's runtime, for code that a compiler has generated.
    #[cfg(feature = "engine-wasmtime")]
    Wasmtime(Rc<dyn Machine>),
}

impl EngineKind {
    pub(crate) fn engine<H: Host>(self) -> Rc<dyn Engine<H>> {
        match self {
            Self::Wasmi => Rc::new(Wasmi),
            #[cfg(feature = "engine-wasmtime")]
            Self::Wasmtime(machine) => Rc::new(Wasmtime::new(machine)),
        }
    }
}
