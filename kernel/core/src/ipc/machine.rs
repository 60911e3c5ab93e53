use super::QueueId;
use crate::caps::ObjectKind;
use capos_abi::{CapDescriptor, CompletionEntry};

/// A location in a process's memory. It is unchecked until [`Machine`] accesses it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The process.
    pub process: u32,
    /// The address in its memory.
    pub address: u64,
}

/// The side of a copy that was not usable memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CopyFault {
    /// Reading.
    Source,
    /// Writing.
    Destination,
}

/// The services that calls need from the rest of the kernel.
///
/// All accesses to process memory check that the process itself could make them, and allocate demand-zero
/// pages just as an access by the process would.
pub trait Machine {
    /// Copies bytes between processes: all of them, or none on a fault.
    ///
    /// # Errors
    /// See [`CopyFault`].
    fn copy(&mut self, from: Place, to: Place, length: u32) -> Result<(), CopyFault>;

    /// Writes bytes to a process: all of them, or none on a fault.
    ///
    /// # Errors
    /// [`CopyFault::Destination`].
    fn write(&mut self, to: Place, bytes: &[u8]) -> Result<(), CopyFault>;

    /// Reads a capability list.
    ///
    /// # Errors
    /// [`CopyFault::Source`].
    fn read_descriptors(&mut self, from: Place, into: &mut [CapDescriptor]) -> Result<(), CopyFault>;

    /// Writes handles.
    ///
    /// # Errors
    /// [`CopyFault::Destination`].
    fn write_handles(&mut self, to: Place, handles: &[u64]) -> Result<(), CopyFault>;

    /// Posts a completion, and wakes the thread if it waited for that.
    fn complete(&mut self, thread: u32, entry: &CompletionEntry);

    /// The last reference to an object is gone. Never called for endpoints.
    fn object_lost(&mut self, kind: ObjectKind, payload: u64);

    /// A queue whose object ended as reported by [`Self::object_lost`]; called until there is none. Calls that
    /// wait in it fail as disconnected.
    fn take_dead_queue(&mut self) -> Option<QueueId> {
        None
    }
}
