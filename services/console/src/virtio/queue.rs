//! The two queues of a port, over the crate's queue.
// Unsafe here: memory that is lent to the device changes by itself.
#![expect(unsafe_code, reason = "buffers are lent to the device")]

use crate::streams::{Broken, OUTGOING_BYTES};
use capos_virtio::{Mapping, System};
use std::collections::VecDeque;
use std::ops::Range;
use std::ptr::NonNull;
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::Transport;

/// The queues of port 0.
pub(crate) const RECEIVE: u16 = 0;
pub(crate) const TRANSMIT: u16 = 1;
const ENTRIES: usize = 64;
/// Number of input buffers. An emulator fills each once, with the result of one read, which is at most a page in
/// QEMU.
pub(crate) const BUFFERS: usize = 32;
pub(crate) const BUFFER_BYTES: usize = 4096;
/// Number of output pieces submitted at once. Two keep the device busy; later writes are combined.
const PIECES: usize = 4;

const _: () = assert!(BUFFERS <= ENTRIES && PIECES <= ENTRIES);

type Ring = VirtQueue<System, ENTRIES>;

fn ring(transport: &mut impl Transport, queue: u16) -> capnp::Result<Ring> {
    VirtQueue::new(transport, queue, false, false).map_err(|error| capnp::Error::failed(error.to_string()))
}

fn notify(ring: &Ring, transport: &mut impl Transport, queue: u16) {
    if ring.should_notify() {
        transport.notify(queue);
    }
}

/// The queue that carries output.
pub(crate) struct Sender {
    ring: Ring,
    memory: Mapping,
    /// The submitted buffers, in order: the token and the part of the memory.
    under_way: VecDeque<(u16, Range<usize>)>,
}

impl Sender {
    /// `memory` begins with the ring of output.
    pub(crate) fn new(transport: &mut impl Transport, memory: Mapping) -> capnp::Result<Self> {
        Ok(Self { ring: ring(transport, TRANSMIT)?, memory, under_way: VecDeque::with_capacity(PIECES) })
    }

    fn part(&self, piece: &Range<usize>) -> Option<NonNull<[u8]>> {
        let is_inside = !piece.is_empty() && piece.end <= OUTGOING_BYTES;
        is_inside.then(|| self.memory.part(piece.start, piece.len())).flatten()
    }

    /// Submits a part of the memory, unless the device has enough. The part must not be written until it has been taken
    /// back.
    pub(crate) fn send(
        &mut self,
        transport: &mut impl Transport,
        piece: Range<usize>,
    ) -> Result<bool, Broken> {
        if self.under_way.len() == PIECES {
            return Ok(false);
        }
        let part = self.part(&piece).ok_or(Broken("a place outside the ring of output"))?;
        // SAFETY: the memory stays mapped for the life of the process, and this process writes the part only before it
        // is submitted and after `take_sent` has popped it.
        let token = unsafe { self.ring.add(&[part.as_ref()], &mut []) };
        let token = token.map_err(|_| Broken("the console's queue is full"))?;
        self.under_way.push_back((token, piece));
        notify(&self.ring, transport, TRANSMIT);
        Ok(true)
    }

    /// Takes back completed buffers. Returns the number of bytes.
    pub(crate) fn take_sent(&mut self) -> Result<usize, Broken> {
        let mut sent = 0;
        while let Some(token) = self.ring.peek_used() {
            let next = self.under_way.pop_front().filter(|(its, _)| *its == token);
            let (token, piece) = next.ok_or(Broken("the console finished output that it was not given"))?;
            let part = self.part(&piece).ok_or(Broken("a place outside the ring of output"))?;
            // SAFETY: the same buffer that was added with this token.
            let popped = unsafe { self.ring.pop_used(token, &[part.as_ref()], &mut []) };
            popped.map_err(|_| Broken("device violated the virtio protocol: inconsistent output queue"))?;
            sent += piece.len();
        }
        Ok(sent)
    }

    /// Whether the device must interrupt when it completes something. Returns whether something is already
    /// completed.
    pub(crate) fn set_notice(&mut self, wanted: bool) -> bool {
        self.ring.set_dev_notify(wanted);
        // The device checks the flag after publishing a completion, so at least one side sees the other's
        // write.
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
        wanted && self.ring.can_pop()
    }
}

/// The queue that carries input.
pub(crate) struct Receiver {
    ring: Ring,
    memory: Mapping,
    /// The token of each buffer submitted to the device.
    lent: [Option<u16>; BUFFERS],
}

/// A buffer with input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Filled {
    pub(crate) buffer: usize,
    /// Its offset in the memory.
    pub(crate) offset: usize,
    /// From 1 to [`BUFFER_BYTES`].
    pub(crate) length: usize,
}

const fn offset(buffer: usize) -> usize {
    OUTGOING_BYTES + buffer * BUFFER_BYTES
}

impl Receiver {
    /// `memory` has the buffers after the output ring.
    pub(crate) fn new(transport: &mut impl Transport, memory: Mapping) -> capnp::Result<Self> {
        Ok(Self { ring: ring(transport, RECEIVE)?, memory, lent: [None; BUFFERS] })
    }

    fn part(&self, buffer: usize) -> Result<NonNull<[u8]>, Broken> {
        let part = (buffer < BUFFERS).then(|| self.memory.part(offset(buffer), BUFFER_BYTES)).flatten();
        part.ok_or(Broken("a place outside the buffers of input"))
    }

    fn add(&mut self, buffer: usize) -> Result<(), Broken> {
        let mut part = self.part(buffer)?;
        let lent = self.lent.get_mut(buffer).filter(|lent| lent.is_none());
        let lent = lent.ok_or(Broken("a buffer that the console has already"))?;
        // SAFETY: the memory stays mapped for the life of the process; nothing here refers to a submitted buffer, and
        // the bytes of a filled one are copied out before it is submitted again.
        let token = unsafe { self.ring.add(&[], &mut [part.as_mut()]) };
        *lent = Some(token.map_err(|_| Broken("the console's queue is full"))?);
        Ok(())
    }

    /// Submits a buffer that the device does not have.
    pub(crate) fn lend(&mut self, transport: &mut impl Transport, buffer: usize) -> Result<(), Broken> {
        self.add(buffer)?;
        notify(&self.ring, transport, RECEIVE);
        Ok(())
    }

    /// Submits all buffers, none of which the device has.
    pub(crate) fn lend_all(&mut self, transport: &mut impl Transport) -> Result<(), Broken> {
        (0..BUFFERS).try_for_each(|buffer| self.add(buffer))?;
        notify(&self.ring, transport, RECEIVE);
        Ok(())
    }

    /// The next buffer that the device has filled. It belongs to the caller until it is submitted again.
    pub(crate) fn next_filled(&mut self) -> Result<Option<Filled>, Broken> {
        let Some(token) = self.ring.peek_used() else { return Ok(None) };
        let buffer = self.lent.iter().position(|lent| *lent == Some(token));
        let buffer = buffer.ok_or(Broken("the console filled a buffer that it does not have"))?;
        let mut part = self.part(buffer)?;
        // SAFETY: the same buffer that was added with this token.
        let popped = unsafe { self.ring.pop_used(token, &[], &mut [part.as_mut()]) };
        let length = popped.map_err(|_| Broken("the console's queue of input is inconsistent"))?;
        if let Some(lent) = self.lent.get_mut(buffer) {
            *lent = None;
        }
        match length as usize {
            length @ 1..=BUFFER_BYTES => Ok(Some(Filled { buffer, offset: offset(buffer), length })),
            _ => Err(Broken("device violated the virtio protocol: input buffer overfull or empty")),
        }
    }
}

#[cfg(test)]
mod lies;
