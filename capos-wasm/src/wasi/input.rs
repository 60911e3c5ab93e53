//! Standard input that is no file: a Console, read ahead so that readiness can be told without losing bytes, or
//! a pipe.

use super::{Errno, descriptor::FileType, pipe::PipeReader};
use capos_schema::console_capnp::{MAX_READ_BYTES, console};
use futures::future::LocalBoxFuture;
use std::{
    future::poll_fn,
    task::{Context as TaskContext, Poll},
};

/// A stream that the instance reads.
pub(super) enum Input {
    Console(ConsoleInput),
    Pipe(PipeReader),
}

impl Input {
    pub(super) fn file_type(&self) -> FileType {
        match self {
            Self::Console(console) => console.shown_as,
            Self::Pipe(_) => FileType::Unknown,
        }
    }

    /// Ready once there are bytes or the input has ended. An error is told once; the next poll tries again.
    pub(super) fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Errno>> {
        match self {
            Self::Console(console) => console.poll_ready(cx),
            Self::Pipe(pipe) => pipe.poll_ready(cx).map(Ok),
        }
    }

    /// Waits until there are bytes or the input has ended.
    pub(super) async fn ready(&mut self) -> Result<(), Errno> {
        poll_fn(|cx| self.poll_ready(cx)).await
    }

    /// How many bytes are there.
    pub(super) fn available(&self) -> usize {
        match self {
            Self::Console(console) => console.available().len(),
            Self::Pipe(pipe) => pipe.available(),
        }
    }

    /// Whether nobody will write any more.
    pub(super) fn hung_up(&self) -> bool {
        match self {
            Self::Console(console) => console.ended && console.available().is_empty(),
            Self::Pipe(pipe) => pipe.hung_up(),
        }
    }

    /// Hands the bytes that are there to `take`, in order and in pieces, until it takes less than it is given.
    /// Takes bytes out of the input for good.
    pub(super) fn consume(
        &mut self,
        mut take: impl FnMut(&[u8]) -> Result<usize, Errno>,
    ) -> Result<usize, Errno> {
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

/// A Console that is read.
pub(super) struct ConsoleInput {
    console: console::Client,
    /// The type that programs are told.
    shown_as: FileType,
    /// Bytes that arrived; those before `taken` the guest already has.
    buffer: Vec<u8>,
    taken: usize,
    /// The read under way. It outlives a `poll_oneoff` that gave up on it, so that its bytes are not lost.
    reading: Option<LocalBoxFuture<'static, Result<Vec<u8>, Errno>>>,
    ended: bool,
}

impl ConsoleInput {
    pub(super) fn new(console: console::Client, shown_as: FileType) -> Self {
        Self { console, shown_as, buffer: Vec::new(), taken: 0, reading: None, ended: false }
    }

    fn available(&self) -> &[u8] {
        self.buffer.get(self.taken..).unwrap_or_default()
    }

    fn consume(&mut self, count: usize) {
        self.taken = self.taken.saturating_add(count).min(self.buffer.len());
    }

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Errno>> {
        if !self.available().is_empty() || self.ended {
            return Poll::Ready(Ok(()));
        }
        let console = &self.console;
        let reading = self.reading.get_or_insert_with(|| Box::pin(read(console.clone())));
        let Poll::Ready(result) = reading.as_mut().poll(cx) else {
            return Poll::Pending;
        };
        self.reading = None;
        let bytes = result?;
        self.ended = bytes.is_empty();
        self.buffer = bytes;
        self.taken = 0;
        Poll::Ready(Ok(()))
    }
}

async fn read(console: console::Client) -> Result<Vec<u8>, Errno> {
    let mut request = console.read_request();
    request.get().set_max_bytes(MAX_READ_BYTES);
    let response = request.send().promise.await.map_err(Errno::from_capability)?;
    let bytes = response.get().and_then(|results| results.get_bytes());
    let bytes = bytes.map_err(Errno::from_capability)?;
    // A server that gives more than was asked for is not believed.
    if bytes.len() > MAX_READ_BYTES as usize {
        return Err(Errno::Io);
    }
    Ok(bytes.to_vec())
}
