//! The choice of an engine.

mod arguments;

pub(crate) use arguments::Arguments;

#[cfg(feature = "compiled-code")]
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
    #[cfg(feature = "compiled-code")]
    Wasmtime(Rc<dyn Machine>),
}

impl EngineKind {
    pub(crate) fn engine<H: Host>(self) -> Rc<dyn Engine<H>> {
        match self {
            Self::Wasmi => Rc::new(Wasmi),
            #[cfg(feature = "compiled-code")]
            Self::Wasmtime(machine) => Rc::new(Wasmtime::new(machine)),
        }
    }
}
