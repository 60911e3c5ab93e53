//! Instances, whatever engine runs them.

mod handle;
mod invoke;
mod life;
mod value;

pub use handle::{CallError, InstanceHandle};
pub(crate) use handle::{Command, command_queue};
pub(crate) use invoke::Invocation;
pub(crate) use life::{Plan, run, serve, unless_killed};
pub use value::{Value, ValueType};
