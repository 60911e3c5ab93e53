//! The binary contract between the capOS kernel and userspace: system calls, ring entries, handles,
//! rights, error codes, the bootstrap page, the time page and the fault frame.
//!
//! Everything here is plain data with a fixed layout; `docs/abi.md` explains its use. Values from the other
//! side of the boundary are untrusted, so enums cross it as integers and are parsed with `from_raw`.
#![no_std]

mod bootstrap;
mod error;
mod fault;
mod handle;
mod layout;
mod rights;
mod ring;
mod syscall;
mod time;

pub use bootstrap::BootstrapHeader;
pub use error::ErrorCode;
pub use fault::{ALARM_VECTOR, FaultFrame};
pub use handle::Handle;
pub use layout::*;
pub use rights::Rights;
pub use ring::{
    COMPLETION_ENTRIES, COMPLETION_OFFSET, CapDescriptor, CompletionEntry, CompletionFlags, CompletionKind,
    MAX_MESSAGE_BYTES, MAX_MESSAGE_CAPS, Opcode, RING_BYTES, RingHeader, SUBMISSION_ENTRIES,
    SUBMISSION_OFFSET, SubmissionEntry, SubmissionFlags, TransferMode,
};
pub use syscall::{NO_DEADLINE, Syscall};
pub use time::TimePage;
