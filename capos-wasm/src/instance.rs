//! Policy for instances, independent of the engine: which functions are called when, how instances end, and
//! when they are restarted.

mod guest;
mod handle;
mod invoke;
mod life;
mod moving;
mod print;
mod program;
mod remains;
mod serve;

pub(crate) use guest::Compiled;
pub use handle::{CallError, InstanceHandle};
pub(crate) use handle::{Command, command_queue};
pub(crate) use invoke::Invocation;
pub(crate) use life::{Plan, run, serve, until_killed};
pub(crate) use moving::Moving;
pub(crate) use remains::Remains;
