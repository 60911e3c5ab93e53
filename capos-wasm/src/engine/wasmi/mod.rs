//! wasmi: an interpreter, for small, metered, instantly started modules.
//!
//! A host function polls what serves it once. When that answers, the guest goes on at once; when it must wait, the host function
//! fails with [`data::Pause::Suspended`], which makes wasmi hand out the guest's stack; [`instance::Instance`] polls for the answer
//! and resumes the guest with it.

mod compile;
mod convert;
mod data;
mod freeing;
mod instance;
mod instantiate;
mod limits;
mod link;
mod metering;

pub(super) use compile::Wasmi;
pub(crate) use link::Parameters;
