//! The functions that guests import, as engines see them.

use super::{choice::Arguments, values::ValueTypes};
use crate::End;
use std::task::{Context as TaskContext, Poll};

/// The functions that one instance imports, and the state they work on. They can access the guest's memory only
/// while they are called or polled.
pub(crate) trait Host: Sized + 'static {
    /// A call with its arguments.
    type Call: 'static;

    /// The parameters and results of a function; `None` if there is no function of this name.
    fn signature(module: &str, name: &str) -> Option<(ValueTypes, ValueTypes)>;

    /// Defines an existing function.
    fn define<L: Linker<Self>>(linker: &mut L, module: &str, name: &str) -> Result<(), String>;

    /// Starts a call; `None` means that it waits, and [`Host::poll`] continues it.
    fn begin(&mut self, memory: &mut [u8], call: Self::Call) -> Option<Outcome>;

    /// Continues the waiting call.
    fn poll(&mut self, memory: &mut [u8], cx: &mut TaskContext<'_>) -> Poll<Outcome>;

    /// The work done for the guest since the last call, in units of fuel.
    fn take_work(&mut self) -> u64;
}

/// The outcome of a call of an imported function.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It returns this value, if any.
    Returned(u32),
    /// The instance ends here. Boxed, so that the other outcome, which every call has, is passed in registers.
    Ended(Box<End>),
}

/// Receives definitions of imported functions, for one engine.
pub(crate) trait Linker<H: Host> {
    /// Defines a function that returns a number.
    fn function<A: Arguments>(
        &mut self,
        module: &str,
        name: &str,
        call: impl Fn(A) -> H::Call + Send + Sync + 'static,
    ) -> Result<(), String>;

    /// Defines a function that returns nothing.
    fn procedure<A: Arguments>(
        &mut self,
        module: &str,
        name: &str,
        call: impl Fn(A) -> H::Call + Send + Sync + 'static,
    ) -> Result<(), String>;
}
