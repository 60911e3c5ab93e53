//! wasmi: an interpreter, for small, metered, instantly started modules.
//!
//! A host function polls the WASI function once. When that answers, the guest goes on at once; when it must
//! wait, the host function fails with [`data::Pause::Suspended`], which makes wasmi hand out the guest's stack;
//! [`Instance`] awaits the answer and resumes the guest with it.

mod data;
mod early;
mod freeing;
mod fuel;
mod instance;
mod limiter;
mod link;
mod module;
mod names;
mod print;
mod proposals;
mod runtime;
mod start;
mod trap;

pub(crate) use early::check_early;
pub(crate) use instance::Instance;
pub(crate) use runtime::{Compiled, Means, Settings, compile, instantiate};
