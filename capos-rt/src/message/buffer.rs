//! Message buffers: taken from a per-thread pool, and returned when dropped.
#![expect(unsafe_code, reason = "reads memory that the kernel has written")]

use super::arena::Arena;
use crate::local;
use capnp::any_pointer;
use capos_abi::{CapDescriptor, MAX_MESSAGE_BYTES, MAX_MESSAGE_CAPS};
use core::alloc::Layout;
use core::ptr::NonNull;
use std::alloc::{alloc_zeroed, handle_alloc_error};
use std::slice;

const MESSAGE_BYTES: usize = MAX_MESSAGE_BYTES as usize;
/// After the message: capabilities to send, then received capabilities.
const DESCRIPTORS_OFFSET: usize = MESSAGE_BYTES;
const HANDLES_OFFSET: usize = MESSAGE_BYTES + 2048;
const BUFFER_BYTES: usize = MESSAGE_BYTES + 4096;
/// Buffers allocated at once. Pages are used only once they are touched.
const BATCH: usize = 8;
/// Clearing more than this costs more than finding another buffer.
const MUCH: usize = 1024;

const _: () =
    assert!(MAX_MESSAGE_CAPS as usize * size_of::<CapDescriptor>() <= HANDLES_OFFSET - DESCRIPTORS_OFFSET);
const _: () = assert!(MAX_MESSAGE_CAPS as usize * 8 <= BUFFER_BYTES - HANDLES_OFFSET);

/// Memory for one message and its capabilities.
pub(crate) struct Buffer {
    memory: NonNull<u8>,
    arena: Arena,
    /// Number of bytes at the start that were written by something other than the arena.
    foreign_bytes: usize,
    /// Whether a message has been built in `arena` since its memory was last zeroed.
    built: bool,
}

/// A [`Buffer`] in use; by default none.
#[derive(Default)]
pub(crate) struct Message {
    buffer: Option<Box<Buffer>>,
}

/// Unused buffers.
#[derive(Default)]
#[expect(clippy::vec_box, reason = "buffers are moved often, and a pointer moves faster")]
pub(crate) struct Pool {
    plain: Vec<Box<Buffer>>,
    /// Buffers with much received data. Reusing one for receiving needs no zeroing, but building in it would.
    received: Vec<Box<Buffer>>,
}

impl Message {
    /// A message buffer from the pool, for building.
    #[inline(always)]
    pub(crate) fn new() -> Self {
        let mut pool = local::current().buffers.borrow_mut();
        let pooled = pool.plain.pop().or_else(|| pool.received.pop());
        drop(pool);
        Self { buffer: Some(pooled.unwrap_or_else(allocate)) }
    }

    /// A message buffer from the pool, for receiving.
    #[inline(always)]
    pub(crate) fn for_receiving() -> Self {
        let mut pool = local::current().buffers.borrow_mut();
        let pooled = pool.received.pop().or_else(|| pool.plain.pop());
        drop(pool);
        Self { buffer: Some(pooled.unwrap_or_else(allocate)) }
    }

    /// Whether it has no buffer: then nothing else may be done with it.
    #[inline]
    pub(crate) const fn is_none(&self) -> bool {
        self.buffer.is_none()
    }

    #[inline]
    fn buffer(&self) -> &Buffer {
        match &self.buffer {
            Some(buffer) => buffer,
            None => unreachable!("the message has no buffer"),
        }
    }

    #[inline]
    fn buffer_mut(&mut self) -> &mut Buffer {
        match &mut self.buffer {
            Some(buffer) => buffer,
            None => unreachable!("the message has no buffer"),
        }
    }

    /// Starts an empty message to build.
    #[inline]
    pub(crate) fn begin(&mut self) {
        let buffer = self.buffer_mut();
        if buffer.built || buffer.foreign_bytes != 0 {
            buffer.arena.clear(buffer.foreign_bytes);
            buffer.foreign_bytes = 0;
        }
        buffer.built = true;
    }

    /// The root of the message under construction, after [`begin`](Self::begin).
    pub(crate) fn root(&mut self) -> any_pointer::Builder<'_> {
        self.buffer_mut().arena.root()
    }

    /// The root of the built message.
    pub(crate) fn built_root(&self) -> capnp::Result<any_pointer::Reader<'_>> {
        self.buffer().arena.built_root()
    }

    /// Completes the built message; returns its length in bytes unless it is too large to send.
    pub(crate) fn finish(&mut self) -> Option<u32> {
        self.buffer_mut().arena.finish()
    }

    /// Address of the message.
    pub(crate) fn address(&self) -> u64 {
        self.buffer().memory.as_ptr() as u64
    }

    /// Address of the buffer for handles of incoming capabilities.
    pub(crate) fn handles_address(&self) -> u64 {
        self.address() + HANDLES_OFFSET as u64
    }

    /// Records that up to `length` bytes were written from outside.
    pub(crate) fn note_foreign(&mut self, length: u32) {
        let buffer = self.buffer_mut();
        buffer.foreign_bytes = buffer.foreign_bytes.max((length as usize).min(MESSAGE_BYTES));
    }

    /// The first `length` bytes.
    pub(crate) fn bytes(&self, length: usize) -> &[u8] {
        // SAFETY: the buffer is that long and initialised. The kernel writes it only during an operation,
        // which owns the `Message` meanwhile.
        unsafe { slice::from_raw_parts(self.buffer().memory.as_ptr(), length.min(MESSAGE_BYTES)) }
    }

    /// Replaces the contents by `text`, truncated to the buffer's size; returns the length.
    pub(crate) fn set_text(&mut self, text: &str) -> u32 {
        let length = text.floor_char_boundary(text.len().min(MESSAGE_BYTES));
        self.note_foreign(length as u32);
        // SAFETY: the buffer is at least that long, and `&mut self` excludes readers.
        unsafe {
            self.buffer().memory.copy_from_nonoverlapping(NonNull::from(text.as_bytes()).cast(), length)
        };
        length as u32
    }

    /// The first `count` received handles.
    pub(crate) fn handles(&self, count: usize) -> &[u64] {
        // SAFETY: the handle area is aligned, initialised and at least MAX_MESSAGE_CAPS long; see `bytes`.
        unsafe {
            let handles = self.buffer().memory.add(HANDLES_OFFSET).cast::<u64>();
            slice::from_raw_parts(handles.as_ptr(), count.min(MAX_MESSAGE_CAPS as usize))
        }
    }

    /// Writes the descriptor of capability `index`; ignores an index beyond the limit.
    pub(crate) fn set_descriptor(&mut self, index: usize, descriptor: CapDescriptor) {
        if index < MAX_MESSAGE_CAPS as usize {
            // SAFETY: the descriptor area is aligned and MAX_MESSAGE_CAPS long.
            unsafe {
                self.buffer()
                    .memory
                    .add(DESCRIPTORS_OFFSET)
                    .cast::<CapDescriptor>()
                    .add(index)
                    .write(descriptor);
            }
        }
    }

    /// Address of the descriptors.
    pub(crate) fn descriptors_address(&self) -> u64 {
        self.address() + DESCRIPTORS_OFFSET as u64
    }
}

impl Drop for Message {
    #[inline]
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            keep(buffer);
        }
    }
}

/// Puts a buffer back into the pool.
fn keep(buffer: Box<Buffer>) {
    let Some(local) = local::try_current() else { return };
    let mut pool = local.buffers.borrow_mut();
    match buffer.foreign_bytes > MUCH {
        true => pool.received.push(buffer),
        false => pool.plain.push(buffer),
    }
}

/// Fills the pool with a batch and returns one more. Batches live until the process ends: a thread that ends
/// returns its buffers to the process.
fn allocate() -> Box<Buffer> {
    if let Some(buffer) = spare().pop() {
        return buffer.0;
    }
    let Ok(layout) = Layout::from_size_align(BUFFER_BYTES * BATCH, 4096) else {
        unreachable!("a constant layout");
    };
    // SAFETY: the layout is not empty.
    let Some(batch) = NonNull::new(unsafe { alloc_zeroed(layout) }) else { handle_alloc_error(layout) };
    let buffer = |index: usize| {
        // SAFETY: the index is below BATCH, so it refers to separate memory that is zero, aligned and never
        // freed.
        unsafe {
            let memory = batch.add(index * BUFFER_BYTES);
            let arena = Arena::new(memory, MESSAGE_BYTES);
            Box::new(Buffer { memory, arena, foreign_bytes: 0, built: false })
        }
    };
    let mut pool = local::current().buffers.borrow_mut();
    pool.plain.extend((1..BATCH).rev().map(buffer));
    buffer(0)
}

/// Buffers of threads that have ended.
struct Spare(Box<Buffer>);

// SAFETY: nothing else refers to the memory of a spare buffer.
unsafe impl Send for Spare {}

static SPARE: std::sync::Mutex<Vec<Spare>> = std::sync::Mutex::new(Vec::new());

fn spare() -> std::sync::MutexGuard<'static, Vec<Spare>> {
    SPARE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Keeps the buffers of an ending thread for other threads.
pub(crate) fn retire(pool: Pool) {
    let mut buffers = pool.plain.into_iter().chain(pool.received).peekable();
    if buffers.peek().is_some() {
        spare().extend(buffers.map(Spare));
    }
}
