//! wasmi: an interpreter, for small, metered, instantly started modules.
//!
//! A host function polls its implementation once. If that is ready, the guest continues at once; if it must wait,
//! the host function fails with [`data::Pause::Suspended`], which makes wasmi return the guest's stack;
//! [`instance::Instance`] polls for the result and resumes the guest with it.

mod compile;
mod convert;
mod data;
mod freeing;
mod instance;
mod instantiate;
mod limits;
mod link;
mod metering;
mod parameters;
mod pausing;
mod state;
mod units;

pub(super) use compile::Wasmi;
pub(crate) use parameters::Parameters;
