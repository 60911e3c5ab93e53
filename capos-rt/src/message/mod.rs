//! Messages where the kernel reads and writes them: single segments built in place.

mod arena;
mod buffer;
mod received;

pub(crate) use arena::Arena;
pub(crate) use buffer::{Message, Part, Pool, retire};
pub(crate) use received::{CapTable, Received};
