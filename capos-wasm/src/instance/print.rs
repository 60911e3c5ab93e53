//! Writing the results of an export to an instance's standard output.

use super::guest::Guest;
use crate::{
    End,
    engine::{Host, Outcome},
    preview1::{Call, Preview1, Snapshot},
};
use std::{
    future::poll_fn,
    task::{Context as TaskContext, Poll},
};

/// The exit status if results could not be written to standard output.
const NOT_PRINTED: i32 = 1;
const STDOUT: u32 = 1;
/// Address and length of a buffer, and the number of bytes written from it.
const IOVEC: usize = 0;
const WRITTEN: usize = 8;
const TEXT: usize = 16;

impl Guest {
    /// Writes to standard output as the program would.
    pub(super) async fn print(&mut self, text: String) -> Result<End, End> {
        let mut output = Printing::new(text);
        while !output.is_done() {
            let (interrupts, instance) = (&mut self.interrupts, &mut self.instance);
            let Some(host) = instance.host() else { return Ok(End::Exited(NOT_PRINTED)) };
            let outcome = match output.begin(host) {
                Some(outcome) => outcome,
                None => {
                    poll_fn(|cx| match interrupts.poll(cx) {
                        Poll::Ready(end) => Poll::Ready(Outcome::Ended(Box::new(end))),
                        Poll::Pending => output.poll(host, cx),
                    })
                    .await
                }
            };
            match outcome {
                Outcome::Returned(0) if output.advance() => {}
                // The output is not accepted: the call succeeded, but its purpose was not achieved.
                Outcome::Returned(_) => return Ok(End::Exited(NOT_PRINTED)),
                Outcome::Ended(end) => return Err(*end),
            }
        }
        Ok(End::Exited(0))
    }
}

/// Text being written, in a memory of its own that takes the place of the guest's: thus it goes to the program's
/// output, and counts as such.
struct Printing {
    memory: Vec<u8>,
    done: usize,
}

impl Printing {
    fn new(text: String) -> Self {
        let mut memory = vec![0; TEXT];
        memory.extend_from_slice(text.as_bytes());
        Self { memory, done: 0 }
    }

    fn is_done(&self) -> bool {
        TEXT + self.done >= self.memory.len()
    }

    /// Starts to write the rest; `None` means that it waits.
    fn begin(&mut self, host: &mut Preview1) -> Option<Outcome> {
        let start = TEXT + self.done;
        let (start, length) = (start as u32, (self.memory.len() - start) as u32);
        self.put(IOVEC, start);
        self.put(IOVEC + 4, length);
        self.put(WRITTEN, 0);
        let call = Call::fd_write { fd: STDOUT, iovs: IOVEC as u32, iovs_len: 1, nwritten: WRITTEN as u32 };
        host.begin(&mut self.memory, (Snapshot::One, call))
    }

    /// Continues a write that waits.
    fn poll(&mut self, host: &mut Preview1, cx: &mut TaskContext<'_>) -> Poll<Outcome> {
        host.poll(&mut self.memory, cx)
    }

    /// Accounts for what was written; false if nothing was.
    fn advance(&mut self) -> bool {
        let mut written = [0; 4];
        written.copy_from_slice(&self.memory[WRITTEN..WRITTEN + 4]);
        let written = u32::from_le_bytes(written) as usize;
        self.done += written;
        written > 0
    }

    fn put(&mut self, at: usize, number: u32) {
        self.memory[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
}
