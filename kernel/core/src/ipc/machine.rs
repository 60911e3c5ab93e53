use super::QueueId;
use crate::caps::ObjectKind;
use capos_abi::{CapDescriptor, CompletionEntry};

/// A place in some process's memory. A claim until [`Machine`] has used it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Whose memory.
    pub process: u32,
    /// The address there.
    pub address: u64,
}

/// Which side of a copy led outside usable memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CopyFault {
    /// Reading.
    Source,
    /// Writing.
    Destination,
}

/// The services that calls need from the rest of the kernel.
///
/// All accesses to process memory check that the process itself could make them, and touch demand-zero
/// pages as the process would.
pub trait Machine {
    /// Copies bytes between processes: all of them, or on a fault none.
    ///
    /// # Errors
    /// See [`CopyFault`].
    fn copy(&mut self, from: Place, to: Place, length: u32) -> Result<(), CopyFault>;

    /// Writes bytes into a process: all of them, or on a fault none.
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

    /// Posts a completion, and wakes the thread if that was what it waited for.
    fn complete(&mut self, thread: u32, entry: &CompletionEntry);

    /// The last reference to an object is gone. Never called for endpoints.
    fn object_lost(&mut self, kind: ObjectKind, payload: u64);

    /// A queue whose object ended with what [`Self::object_lost`] was told; asked for until there is none. Calls that
    /// wait in it fail as disconnected.
    fn take_dead_queue(&mut self) -> Option<QueueId> {
        None
    }
}
