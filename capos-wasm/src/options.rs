//! The optional parts of starting instances, and what a host's embedder may do for them.

use crate::{End, Restart};
use capos_schema::manifest_capnp::restart_policy;
use std::rc::Rc;

/// Gives back the memory behind bytes that nothing uses any more, which are zeros or the same afterwards.
pub type Discard = fn(&mut [u8]);

/// Is told of the end that was the reason to start an instance again, and how often that was done.
pub type RestartObserver = Rc<dyn Fn(&End, u32)>;

/// The treatment of imported functions that the host does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnknownImports {
    /// The module does not start.
    #[default]
    Deny,
    /// They trap when they are called.
    Trap,
}

/// The optional parts of starting an instance.
#[derive(Clone, Default)]
pub struct Options {
    /// The consequence when an instance that runs by itself has ended. The limits hold for each run of it.
    pub restart: Restart,
    /// Is told before the instance is started again.
    pub on_restart: Option<RestartObserver>,
    /// The treatment of imported functions that the host does not know.
    pub unknown_imports: UnknownImports,
    /// The export that is called in place of `_start`, with the arguments of the launch but the first. What it returns
    /// is written to standard output, a line for each value.
    pub invoke: Option<String>,
}

impl Options {
    /// Reads what messages and manifest entries say of it; the rest is the default.
    ///
    /// # Errors
    /// For a restart policy that this program does not know.
    pub fn read(restart: restart_policy::Reader<'_>, trap_unknown_imports: bool) -> capnp::Result<Self> {
        let unknown_imports = match trap_unknown_imports {
            true => UnknownImports::Trap,
            false => UnknownImports::Deny,
        };
        Ok(Self { restart: Restart::read(restart)?, unknown_imports, ..Self::default() })
    }
}
