//! Policy for instances, whatever engine runs them: what is called when, how they end, when they start again.

mod guest;
mod handle;
mod invoke;
mod life;
mod print;
mod program;
mod serve;

pub(crate) use guest::Compiled;
pub use handle::{CallError, InstanceHandle};
pub(crate) use handle::{Command, command_queue};
pub(crate) use invoke::Invocation;
pub(crate) use life::{Plan, run, serve, unless_killed};
