//! Messages in the form that the kernel reads and writes: single segments built in place.

mod arena;
mod buffer;
mod received;
mod segment;

pub(crate) use arena::Arena;
pub(crate) use buffer::{Message, Pool, retire};
pub(crate) use received::{CapTable, Received};
