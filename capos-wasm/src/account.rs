//! The accounting of one instance, shared by all layers: its usage, missing grants, requests to end it, and its end.

mod control;
mod interrupt;
mod refusal;
mod said;

pub(crate) use control::Control;
pub use control::{StartTime, Usage};
pub(crate) use interrupt::Interrupts;
use refusal::Refusals;
pub use refusal::{Missing, Refusal};
pub(crate) use said::NOTICED_BYTES;
