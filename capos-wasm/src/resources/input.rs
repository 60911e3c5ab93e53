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
    /// Whether programs take it for a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self, Self::Console(console) if console.shown_as == ShownAs::Terminal)
    }

    /// Ready once there are bytes or the input has ended. An error is told once; the next poll tries again.
    pub(crate) fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Error>> {
        match self {
            Self::Console(console) => console.poll_ready(cx),
            Self::Pipe(pipe) => pipe.poll_ready(cx).map(Ok),
        }
    }

    /// Waits until there are bytes or the input has ended.
    pub(crate) async fn ready(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_ready(cx)).await
    }

    /// How many bytes are there.
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

    /// Hands the bytes that are there to `take`, in order and in pieces, until it takes less than it is given.
    /// Takes bytes out of the input for good.
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
