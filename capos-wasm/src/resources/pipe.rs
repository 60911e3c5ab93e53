//! Pipes between instances of one host.
//!
//! A pipe may have several readers and writers. Reading waits for bytes and finds the end of
//! input if there are none and no writer is left; writing waits for space and fails if no reader is left.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt,
    rc::Rc,
    task::{Context as TaskContext, Poll, Waker},
};

/// The capacity of a pipe.
pub(crate) const PIPE_BYTES: usize = 65536;

#[derive(Default)]
struct Pipe {
    /// Allocated by the first write.
    bytes: RefCell<VecDeque<u8>>,
    readers: Cell<usize>,
    writers: Cell<usize>,
    /// Tasks that wait for bytes or for space; at most one for each end.
    waiting: RefCell<Vec<Waker>>,
}

impl Pipe {
    fn wait(&self, cx: &TaskContext<'_>) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
    }

    fn changed(&self) {
        for waker in self.waiting.take() {
            waker.wake();
        }
    }
}

/// Creates a pipe.
pub fn pipe() -> (PipeReader, PipeWriter) {
    let pipe = Rc::new(Pipe::default());
    pipe.readers.set(1);
    pipe.writers.set(1);
    (PipeReader { pipe: pipe.clone() }, PipeWriter { pipe })
}

/// A reading end of a pipe. The pipe is broken when the last one is dropped.
pub struct PipeReader {
    pipe: Rc<Pipe>,
}

impl PipeReader {
    /// Ready when bytes are available or the input has ended.
    pub(crate) fn poll_ready(&self, cx: &mut TaskContext<'_>) -> Poll<()> {
        if self.available() > 0 || self.hung_up() {
            return Poll::Ready(());
        }
        self.pipe.wait(cx);
        Poll::Pending
    }

    pub(crate) fn available(&self) -> usize {
        self.pipe.bytes.borrow().len()
    }

    pub(crate) fn hung_up(&self) -> bool {
        self.pipe.writers.get() == 0
    }

    /// Passes the available bytes to `take`, in pieces, until it takes less than it is given.
    pub(crate) fn consume<E>(&self, mut take: impl FnMut(&[u8]) -> Result<usize, E>) -> Result<usize, E> {
        let mut bytes = self.pipe.bytes.borrow_mut();
        let mut taken = 0;
        let mut outcome = Ok(());
        for piece in <[&[u8]; 2]>::from(bytes.as_slices()) {
            let count = take(piece).unwrap_or_else(|error| {
                outcome = Err(error);
                0
            });
            taken += count;
            if count < piece.len() {
                break;
            }
        }
        bytes.drain(..taken);
        drop(bytes);
        if taken > 0 {
            self.pipe.changed();
        }
        outcome.map(|()| taken)
    }
}

impl Clone for PipeReader {
    fn clone(&self) -> Self {
        self.pipe.readers.set(self.pipe.readers.get() + 1);
        Self { pipe: self.pipe.clone() }
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        self.pipe.readers.set(self.pipe.readers.get() - 1);
        if self.pipe.readers.get() == 0 {
            // There are no readers left.
            drop(self.pipe.bytes.take());
            self.pipe.changed();
        }
    }
}

/// A writing end of a pipe. The input ends when the last one is dropped.
pub struct PipeWriter {
    pipe: Rc<Pipe>,
}

impl PipeWriter {
    /// Ready when there is space or no reader is left.
    pub(crate) fn poll_ready(&self, cx: &mut TaskContext<'_>) -> Poll<()> {
        if self.room() > 0 || self.broken() {
            return Poll::Ready(());
        }
        self.pipe.wait(cx);
        Poll::Pending
    }

    pub(crate) fn room(&self) -> usize {
        PIPE_BYTES.saturating_sub(self.pipe.bytes.borrow().len())
    }

    /// Whether no reader is left.
    pub(crate) fn broken(&self) -> bool {
        self.pipe.readers.get() == 0
    }

    /// Adds bytes, for which there must be [`PipeWriter::room`].
    pub(crate) fn write(&self, bytes: &[u8]) {
        self.pipe.bytes.borrow_mut().extend(bytes);
        self.pipe.changed();
    }
}

impl Clone for PipeWriter {
    fn clone(&self) -> Self {
        self.pipe.writers.set(self.pipe.writers.get() + 1);
        Self { pipe: self.pipe.clone() }
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        self.pipe.writers.set(self.pipe.writers.get() - 1);
        if self.pipe.writers.get() == 0 {
            self.pipe.changed();
        }
    }
}

impl fmt::Debug for PipeReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PipeReader")
    }
}

impl fmt::Debug for PipeWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PipeWriter")
    }
}
