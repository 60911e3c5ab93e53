//! Streams that an instance reads: a Console, or a pipe.

use super::{
    Error, PipeReader,
    console::{ConsoleInput, ShownAs},
};
use std::{
    future::poll_fn,
    task::{Context as TaskContext, Poll},
};

/// A stream that the instance reads.
pub(crate) enum Input {
    Console(ConsoleInput),
    Pipe(PipeReader),
}

impl Input {
    /// Whether programs see it as a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self, Self::Console(console) if console.shown_as == ShownAs::Terminal)
    }

    /// Ready once bytes are available or the input has ended. An error is reported once; the next poll tries
    /// again.
    pub(crate) fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Error>> {
        match self {
            Self::Console(console) => console.poll_ready(cx),
            Self::Pipe(pipe) => pipe.poll_ready(cx).map(Ok),
        }
    }

    /// Waits until bytes are available or the input has ended.
    pub(crate) async fn ready(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_ready(cx)).await
    }

    /// The number of available bytes.
    pub(crate) fn available(&self) -> usize {
        match self {
            Self::Console(console) => console.available().len(),
            Self::Pipe(pipe) => pipe.available(),
        }
    }

    /// Whether no more bytes will come.
    pub(crate) fn hung_up(&self) -> bool {
        match self {
            Self::Console(console) => console.hung_up(),
            Self::Pipe(pipe) => pipe.hung_up(),
        }
    }

    /// Passes the available bytes to `take`, in order and in pieces, until it takes less than it is given.
    /// Bytes taken are removed from the input.
    pub(crate) fn consume<E>(&mut self, mut take: impl FnMut(&[u8]) -> Result<usize, E>) -> Result<usize, E> {
        match self {
            Self::Console(console) => {
                let taken = take(console.available())?;
                console.consume(taken);
                Ok(taken)
            }
            Self::Pipe(pipe) => pipe.consume(take),
        }
    }
}
