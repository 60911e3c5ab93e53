//! Standard input: a Console that is read ahead, so that readiness can be told without losing bytes.

use super::Errno;
use capos_schema::console_capnp::{MAX_READ_BYTES, console};
use futures::future::LocalBoxFuture;
use std::{
    future::poll_fn,
    task::{Context as TaskContext, Poll},
};

/// The standard stream that the instance reads.
pub(super) struct Stdin {
    console: console::Client,
    pub(super) flags: u16,
    /// Bytes that arrived; those before `taken` the guest already has.
    buffer: Vec<u8>,
    taken: usize,
    /// The read under way. It outlives a `poll_oneoff` that gave up on it, so that its bytes are not lost.
    reading: Option<LocalBoxFuture<'static, Result<Vec<u8>, Errno>>>,
    ended: bool,
}

impl Stdin {
    pub(super) fn new(console: console::Client) -> Self {
        Self { console, flags: 0, buffer: Vec::new(), taken: 0, reading: None, ended: false }
    }

    /// The bytes that are there.
    pub(super) fn available(&self) -> &[u8] {
        self.buffer.get(self.taken..).unwrap_or_default()
    }

    /// Marks the first `count` of [`Stdin::available`] as given to the guest.
    pub(super) fn consume(&mut self, count: usize) {
        self.taken = self.taken.saturating_add(count).min(self.buffer.len());
    }

    /// Ready once there are bytes or the input has ended. An error is told once; the next poll tries again.
    pub(super) fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Errno>> {
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

    /// Waits until there are bytes or the input has ended.
    pub(super) async fn ready(&mut self) -> Result<(), Errno> {
        poll_fn(|cx| self.poll_ready(cx)).await
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
