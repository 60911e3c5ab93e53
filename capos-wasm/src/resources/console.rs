//! Reading and writing consoles. Input is read ahead, so that readiness can be determined without losing bytes.

use super::{Error, Push};
use capos_rt::Ask as _;
use capos_schema::console_capnp::{MAX_READ_BYTES, MAX_WRITE_BYTES, console};
use futures::future::LocalBoxFuture;
use std::task::{Context as TaskContext, Poll};

/// The kind of stream as which a program sees a console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShownAs {
    Terminal,
    Stream,
}

/// Selects one of a Console's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConsoleStream {
    Standard,
    Errors,
}

/// A Console for writing.
pub(crate) struct ConsoleOutput {
    client: console::Client,
    stream: ConsoleStream,
    pub(super) shown_as: ShownAs,
    /// Whether results arrive immediately.
    push: Push,
}

impl ConsoleOutput {
    pub(super) fn new(client: console::Client, stream: ConsoleStream, shown_as: ShownAs) -> Self {
        Self { client, stream, shown_as, push: Push::default() }
    }

    /// The maximum length of one write.
    pub(crate) const MAX_BYTES: u32 = MAX_WRITE_BYTES;

    /// Writes `length` bytes, which `fill` stores directly in the message.
    pub(crate) async fn write<E: From<Error>>(
        &self,
        length: u32,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let written = match self.stream {
            ConsoleStream::Standard => {
                let mut request = self.client.write_request();
                fill(request.get().init_bytes(length))?;
                self.push.call(request.ask()).await.map(drop)
            }
            ConsoleStream::Errors => {
                let mut request = self.client.write_error_request();
                fill(request.get().init_bytes(length))?;
                self.push.call(request.ask()).await.map(drop)
            }
        };
        Ok(written.map_err(Error::of_call)?)
    }
}

/// A Console for reading.
pub(crate) struct ConsoleInput {
    console: console::Client,
    pub(super) shown_as: ShownAs,
    /// Bytes that have arrived; the program already has those before `taken`.
    buffer: Vec<u8>,
    taken: usize,
    /// The read in progress. It is kept when a wait is cancelled, so that its bytes are not lost.
    reading: Option<LocalBoxFuture<'static, Result<Vec<u8>, Error>>>,
    ended: bool,
}

impl ConsoleInput {
    pub(super) fn new(console: console::Client, shown_as: ShownAs) -> Self {
        Self { console, shown_as, buffer: Vec::new(), taken: 0, reading: None, ended: false }
    }

    pub(super) fn available(&self) -> &[u8] {
        self.buffer.get(self.taken..).unwrap_or_default()
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.taken = self.taken.saturating_add(count).min(self.buffer.len());
    }

    pub(super) fn hung_up(&self) -> bool {
        self.ended && self.available().is_empty()
    }

    pub(super) fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Error>> {
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

async fn read(console: console::Client) -> Result<Vec<u8>, Error> {
    let mut request = console.read_request();
    request.get().set_max_bytes(MAX_READ_BYTES);
    let response = request.ask().await.map_err(Error::of_call)?;
    let bytes = response.get().and_then(|results| results.get_bytes()).map_err(Error::of_call)?;
    // A server's data beyond the requested length is ignored.
    if bytes.len() > MAX_READ_BYTES as usize {
        return Err(Error::Failed);
    }
    Ok(bytes.to_vec())
}
