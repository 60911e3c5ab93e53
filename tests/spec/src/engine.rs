//! The interface between scripts and engines.

use crate::{Argument, Reason, Value};

/// An engine under test, with the instances of one script.
#[expect(async_fn_in_trait, reason = "everything runs in one thread")]
pub trait Engine {
    /// A module that the engine accepted.
    type Module: Clone;
    /// An instance of a module.
    type Instance: Clone;

    /// Decodes, validates and compiles a module. The error says why it is refused.
    async fn module(&mut self, bytes: &[u8]) -> Result<Self::Module, String>;

    /// Creates an instance, whose imports are found by the names that were registered, and runs its start function.
    async fn instantiate(&mut self, module: &Self::Module) -> Result<Self::Instance, Failure>;

    /// Makes an instance's exports available to others.
    fn register(&mut self, name: &str, instance: &Self::Instance);

    /// Calls an exported function.
    async fn invoke(
        &mut self,
        instance: &Self::Instance,
        function: &str,
        arguments: &[Argument],
    ) -> Result<Vec<Value>, Failure>;

    /// The value of an exported global.
    fn global(&mut self, instance: &Self::Instance, name: &str) -> Result<Value, Failure>;
}

/// The reason that an instance could not be created, or a function did not return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// An import is unknown or has another type.
    Unlinkable(String),
    /// The guest trapped.
    Trap(Reason),
    /// The guest threw an exception and did not catch it.
    Exception,
    /// Anything else, which no script expects.
    Other(String),
}
