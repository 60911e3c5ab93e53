//! The choice of an engine.

mod arguments;

pub(crate) use arguments::Arguments;

#[cfg(feature = "engine-wasmtime")]
use super::wasmtime::Wasmtime;
use super::{Engine, Host, wasmi::Wasmi};
use std::rc::Rc;

/// The engine that runs a host's instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineKind {
    /// wasmi: an interpreter, for small, metered, instantly started modules.
    #[default]
    Wasmi,
    /// wasmtime, with its portable interpreter.
    #[cfg(feature = "engine-wasmtime")]
    Wasmtime,
}

impl EngineKind {
    pub(crate) fn engine<H: Host>(self) -> Rc<dyn Engine<H>> {
        match self {
            Self::Wasmi => Rc::new(Wasmi),
            #[cfg(feature = "engine-wasmtime")]
            Self::Wasmtime => Rc::new(Wasmtime),
        }
    }
}
