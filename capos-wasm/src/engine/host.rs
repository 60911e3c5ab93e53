//! The functions that guests import, as engines see them.

use super::values::ValueTypes;
use crate::End;
use std::task::{Context as TaskContext, Poll};

/// The functions that one instance imports, with the state behind them. They have access to the guest's memory only while they are
/// called or polled.
pub(crate) trait Host: Sized + 'static {
    /// A call with its arguments.
    type Call: 'static;

    /// The parameters and results of a function; `None` when there is none of this name.
    fn signature(module: &str, name: &str) -> Option<(ValueTypes, ValueTypes)>;

    /// Defines a function that there is.
    fn define<L: Linker<Self>>(linker: &mut L, module: &str, name: &str) -> Result<(), String>;

    /// Begins a call; `None` means that it waits, and [`Host::poll`] goes on with it.
    fn begin(&mut self, memory: &mut [u8], call: Self::Call) -> Option<Outcome>;

    /// Goes on with the call that waits.
    fn poll(&mut self, memory: &mut [u8], cx: &mut TaskContext<'_>) -> Poll<Outcome>;

    /// How much was done for the guest since the last time this was asked, in units of fuel.
    fn take_work(&mut self) -> u64;
}

/// The outcome of a call of an imported function.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It returns this, if it returns anything.
    Returned(u32),
    /// The instance ends here.
    Ended(End),
}

/// Takes definitions of imported functions, for one engine.
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

/// The parameters of an imported function: a tuple of `u32` and `u64` that every engine can pass.
pub(crate) trait Arguments: super::wasmi::Parameters {}
impl<A: super::wasmi::Parameters> Arguments for A {}
