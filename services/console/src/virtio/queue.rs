//! The two queues of a port over the queue of `capos-virtio`.

use crate::streams::{Broken, OUTGOING_BYTES};
use capos_virtio::{Chain, Mapping, Part, Queue};
use std::collections::VecDeque;
use std::ops::Range;
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

impl From<capos_virtio::Broken> for Broken {
    fn from(capos_virtio::Broken(reason): capos_virtio::Broken) -> Self {
        Self(reason)
    }
}

/// The queue that carries output.
pub(crate) struct Sender {
    /// Each buffer's tag is its number, counted from the first.
    ring: Queue<u64, ENTRIES>,
    memory: Mapping,
    /// The lent parts of the memory, in order; the first has the number `taken`.
    under_way: VecDeque<Range<usize>>,
    taken: u64,
}

impl Sender {
    /// `memory` begins with the ring of output.
    pub(crate) fn new(transport: &mut impl Transport, memory: Mapping) -> capnp::Result<Self> {
        let ring = Queue::new(transport, TRANSMIT)?;
        Ok(Self { ring, memory, under_way: VecDeque::with_capacity(PIECES), taken: 0 })
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
        let is_inside = piece.end <= OUTGOING_BYTES;
        let part = is_inside.then(|| Part::of(&self.memory, piece.start, piece.len())).flatten();
        let chain = part.and_then(|part| Chain::new(&[part], &[]));
        let chain = chain.ok_or(Broken("a place outside the ring of output"))?;
        self.ring.lend(chain, self.taken.wrapping_add(self.under_way.len() as u64))?;
        self.under_way.push_back(piece);
        self.ring.notify(transport);
        Ok(true)
    }

    /// Takes back completed buffers. Returns the number of bytes.
    pub(crate) fn take_sent(&mut self) -> Result<usize, Broken> {
        let mut sent = 0;
        while let Some((number, _)) = self.ring.take()? {
            let piece = self.under_way.pop_front().filter(|_| number == self.taken);
            sent += piece.ok_or(Broken("the console finished output out of order"))?.len();
            self.taken = self.taken.wrapping_add(1);
        }
        Ok(sent)
    }

    /// Whether the device must interrupt when it completes something. Returns whether something is already
    /// completed.
    pub(crate) fn set_notice(&mut self, wanted: bool) -> bool {
        self.ring.set_notice(wanted)
    }
}

/// The queue that carries input.
pub(crate) struct Receiver {
    /// Each buffer's tag is its number.
    ring: Queue<usize, ENTRIES>,
    memory: Mapping,
    /// Whether a buffer is lent.
    lent: [bool; BUFFERS],
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
        Ok(Self { ring: Queue::new(transport, RECEIVE)?, memory, lent: [false; BUFFERS] })
    }

    fn add(&mut self, buffer: usize) -> Result<(), Broken> {
        let lent = self.lent.get_mut(buffer).filter(|lent| !**lent);
        let lent = lent.ok_or(Broken("a buffer that the console has already"))?;
        let part = Part::of(&self.memory, offset(buffer), BUFFER_BYTES);
        let chain = part.and_then(|part| Chain::new(&[], &[part]));
        self.ring.lend(chain.ok_or(Broken("a place outside the buffers of input"))?, buffer)?;
        *lent = true;
        Ok(())
    }

    /// Submits a buffer that the device does not have.
    pub(crate) fn lend(&mut self, transport: &mut impl Transport, buffer: usize) -> Result<(), Broken> {
        self.add(buffer)?;
        self.ring.notify(transport);
        Ok(())
    }

    /// Submits all buffers, none of which the device has.
    pub(crate) fn lend_all(&mut self, transport: &mut impl Transport) -> Result<(), Broken> {
        (0..BUFFERS).try_for_each(|buffer| self.add(buffer))?;
        self.ring.notify(transport);
        Ok(())
    }

    /// The next buffer that the device has filled. It belongs to the caller until it is submitted again.
    pub(crate) fn next_filled(&mut self) -> Result<Option<Filled>, Broken> {
        let Some((buffer, length)) = self.ring.take()? else { return Ok(None) };
        if let Some(lent) = self.lent.get_mut(buffer) {
            *lent = false;
        }
        match length {
            0 => Err(Broken("the console filled a buffer with nothing")),
            length => Ok(Some(Filled { buffer, offset: offset(buffer), length })),
        }
    }
}

#[cfg(test)]
mod lies;
