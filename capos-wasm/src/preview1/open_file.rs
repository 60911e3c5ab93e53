//! Open files, with what Preview 1 keeps with a descriptor.

use crate::resources::File;

/// A file that is open, and the position of its descriptor.
pub(super) struct OpenFile {
    pub(super) file: File,
    /// Where the next read or write is.
    pub(super) position: u64,
    /// Whether it was opened to read.
    pub(super) reads: bool,
    /// Whether it was opened to write.
    pub(super) writes: bool,
    /// Whether what is written counts as output.
    pub(super) is_stream: bool,
}

impl OpenFile {
    pub(super) fn new(file: File, reads: bool, writes: bool) -> Self {
        Self { file, position: 0, reads, writes, is_stream: false }
    }
}
