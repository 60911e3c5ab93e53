//! Standard output that is no file: a Console or a pipe.

use super::{descriptor::FileType, pipe::PipeWriter};
use capos_schema::console_capnp::console;

/// A stream that the instance writes.
pub(super) enum Output {
    Console(ConsoleOutput),
    Pipe(PipeWriter),
}

/// Which of a Console's outputs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ConsoleStream {
    Standard,
    Errors,
}

/// A Console that is written.
pub(super) struct ConsoleOutput {
    pub(super) client: console::Client,
    pub(super) stream: ConsoleStream,
    /// The type that programs are told.
    pub(super) shown_as: FileType,
}

impl Output {
    pub(super) fn file_type(&self) -> FileType {
        match self {
            Self::Console(console) => console.shown_as,
            Self::Pipe(_) => FileType::Unknown,
        }
    }
}
