//! Instances, whatever engine runs them.

mod control;
mod handle;
mod interrupt;
mod invoke;
mod pace;
mod value;

pub(crate) use control::Control;
pub use control::{StartTime, Usage};
pub use handle::{CallError, InstanceHandle};
pub(crate) use handle::{Command, command_queue};
pub(crate) use interrupt::{Interrupts, poll_once, yield_once};
pub(crate) use invoke::Invocation;
pub(crate) use pace::Pace;
pub use value::{Value, ValueType};
