//! Streams that an instance writes: a Console, or a pipe.

use super::{
    PipeWriter,
    console::{ConsoleOutput, ShownAs},
};

/// A stream that the instance writes.
pub(crate) enum Output {
    Console(ConsoleOutput),
    Pipe(PipeWriter),
}

impl Output {
    /// Whether programs see it as a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self, Self::Console(console) if console.shown_as == ShownAs::Terminal)
    }

    /// The maximum length of one write; `None` if there is none.
    pub(crate) fn max_bytes(&self) -> Option<u32> {
        match self {
            Self::Console(_) => Some(ConsoleOutput::MAX_BYTES),
            Self::Pipe(_) => None,
        }
    }
}
