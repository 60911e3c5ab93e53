//! Standard output that is no file: a Console or a pipe.

use super::{descriptor::FileType, pipe::PipeWriter};
use capos_schema::console_capnp::console;

/// A stream that the instance writes.
pub(super) enum Output {
    Console(console::Client),
    Pipe(PipeWriter),
}

impl Output {
    pub(super) fn file_type(&self) -> FileType {
        match self {
            Self::Console(_) => FileType::CharacterDevice,
            Self::Pipe(_) => FileType::Unknown,
        }
    }
}
