//! Options for starting instances, and functions of a host's embedder.

use crate::{End, Restart};
use capos_schema::manifest_capnp::{Engine, restart_policy};
use futures::future::LocalBoxFuture;
use std::rc::Rc;

/// Runs a future on the embedder's single-threaded executor until it ends.
pub type Spawn = Rc<dyn Fn(LocalBoxFuture<'static, ()>)>;

/// Frees the memory of bytes that are not used any more; they may afterwards be zero or unchanged.
pub type Discard = fn(&mut [u8]);

/// Is told a line for the log.
pub type Note = Rc<dyn Fn(String)>;

/// Is called with the end that caused a restart, and the number of restarts.
pub type RestartObserver = Rc<dyn Fn(&End, u32)>;

/// The choice between engines, for an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineChoice {
    /// The interpreter.
    #[default]
    Interpreter,
    /// Generated code; without it the instance does not start.
    Compiler,
    /// The interpreter, until there is generated code.
    Auto,
}

impl EngineChoice {
    /// Reads a choice; `None` if none is made.
    pub fn read(engine: Engine) -> Option<Self> {
        match engine {
            Engine::Unset => None,
            Engine::Interpreter => Some(Self::Interpreter),
            Engine::Compiler => Some(Self::Compiler),
            Engine::Auto => Some(Self::Auto),
        }
    }
}

/// How imported functions unknown to the host are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnknownImports {
    /// The module does not start.
    #[default]
    Deny,
    /// They trap when they are called.
    Trap,
}

/// Options for starting an instance.
#[derive(Clone, Default)]
pub struct Options {
    /// Whether an instance that runs by itself is restarted after its end. The limits apply to each run.
    pub restart: Restart,
    /// Is called before the instance is restarted.
    pub on_restart: Option<RestartObserver>,
    /// How imported functions unknown to the host are treated.
    pub unknown_imports: UnknownImports,
    /// The export that is called instead of `_start`, with the launch arguments except for the first. Its results
    /// are written to standard output, one per line.
    pub invoke: Option<String>,
    /// The engine that runs it, if it is not the host's choice.
    pub engine: Option<EngineChoice>,
}

impl Options {
    /// Reads the options in messages and manifest entries; the others have their defaults.
    ///
    /// # Errors
    /// If the restart policy or the engine is unknown to this program.
    pub fn read(
        restart: restart_policy::Reader<'_>,
        trap_unknown_imports: bool,
        engine: Result<Engine, capnp::NotInSchema>,
    ) -> capnp::Result<Self> {
        let engine = EngineChoice::read(engine?);
        let unknown_imports = match trap_unknown_imports {
            true => UnknownImports::Trap,
            false => UnknownImports::Deny,
        };
        Ok(Self { restart: Restart::read(restart)?, unknown_imports, engine, ..Self::default() })
    }
}
