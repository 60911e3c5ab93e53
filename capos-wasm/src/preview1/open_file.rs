//! Open files, with the state that Preview 1 keeps for a descriptor.

use crate::resources::File;

/// An open file with the position of its descriptor.
pub(super) struct OpenFile {
    pub(super) file: File,
    /// The position of the next read or write.
    pub(super) position: u64,
    /// Whether it was opened for reading.
    pub(super) reads: bool,
    /// Whether it was opened for writing.
    pub(super) writes: bool,
    /// Whether writes count as output.
    pub(super) is_stream: bool,
}

impl OpenFile {
    pub(super) fn new(file: File, reads: bool, writes: bool) -> Self {
        Self { file, position: 0, reads, writes, is_stream: false }
    }
}
