//! A queue of buffers that a driver lends to its device, over the queue of `virtio-drivers`.
//!
//! Nothing that the device says is believed: a buffer comes back once and only if it was lent, with no more in it than it holds.
// Unsafe here: what is lent to the device is memory that it changes by itself.
#![expect(unsafe_code, reason = "buffers are lent to the device")]

use std::ptr::NonNull;
use std::sync::atomic::{Ordering, fence};

use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::Transport;

use crate::memory::{Mapping, System};

/// The most parts that a buffer has of each sort.
const MOST_PARTS: usize = 2;

/// The reason for which a device is not used any more: how it violated the protocol of queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken(pub &'static str);

impl From<Broken> for capnp::Error {
    fn from(Broken(reason): Broken) -> Self {
        Self::disconnected(format!("device violated the virtio protocol: {reason}"))
    }
}

/// A range of a [`Mapping`].
#[derive(Clone, Copy, Debug)]
pub struct Part(NonNull<[u8]>);

impl Part {
    /// The `length` bytes of `mapping` from `offset` on; `None` when they do not lie in it, or are none.
    #[must_use]
    pub fn of(mapping: &Mapping, offset: usize, length: usize) -> Option<Self> {
        mapping.part(offset, length).filter(|_| length > 0).map(Self)
    }

    /// Its length in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a part is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    fn overlaps(&self, other: &Self) -> bool {
        let start = |part: &Self| part.0.cast::<u8>().addr().get();
        start(self) < start(other) + other.len() && start(other) < start(self) + self.len()
    }
}

/// A buffer in the device's terms: parts that it reads, and after them parts that it writes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chain {
    readable: [Option<Part>; MOST_PARTS],
    writable: [Option<Part>; MOST_PARTS],
}

impl Chain {
    /// A buffer of up to two parts to read and up to two to write.
    #[must_use]
    pub fn new(readable: &[Part], writable: &[Part]) -> Option<Self> {
        let list = |parts: &[Part]| {
            let mut list = [None; MOST_PARTS];
            (parts.len() <= MOST_PARTS).then(|| {
                list.iter_mut().zip(parts).for_each(|(place, part)| *place = Some(*part));
                list
            })
        };
        let chain = Self { readable: list(readable)?, writable: list(writable)? };
        chain.is_sound().then_some(chain)
    }

    /// Whether it has a part, and none that the device writes is also another.
    fn is_sound(&self) -> bool {
        let mut written = self.writable.iter().flatten();
        let (first, second) = (written.next(), written.next());
        let is_read = |part: &Part| self.readable.iter().flatten().any(|other| other.overlaps(part));
        let overlaps = match (first, second) {
            (Some(first), Some(second)) => first.overlaps(second) || is_read(first) || is_read(second),
            (Some(only), None) => is_read(only),
            _ => false,
        };
        !overlaps && (first.is_some() || self.readable.iter().any(Option::is_some))
    }

    /// How much the device can write into it.
    fn room(&self) -> usize {
        self.writable.iter().flatten().map(Part::len).sum()
    }

    /// Calls `work` with the lists of what the device reads and what it writes.
    ///
    /// # Safety
    /// `work` must use them only to add them to a queue or to pop them from it, which looks at addresses and lengths alone.
    unsafe fn with_lists<R>(
        &self,
        work: impl for<'a> FnOnce(&'a [&'a [u8]], &'a mut [&'a mut [u8]]) -> R,
    ) -> R {
        // SAFETY: a mapping lasts as long as the process, and its bytes are initialised. The references exist during this call
        // only; those to write overlap no other (`is_sound`), and `work` does not touch the bytes, as the caller promises.
        let (readable, mut writable) = unsafe {
            (
                self.readable.map(|part| part.map(|part| part.0.as_ref())),
                self.writable.map(|part| part.map(|mut part| part.0.as_mut())),
            )
        };
        let read = match &readable {
            [Some(first), Some(second)] => &[*first, *second][..],
            [Some(only), None] | [None, Some(only)] => &[*only],
            [None, None] => &[],
        };
        match &mut writable {
            [Some(first), Some(second)] => work(read, &mut [*first, *second]),
            [Some(only), None] | [None, Some(only)] => work(read, &mut [*only]),
            [None, None] => work(read, &mut []),
        }
    }
}

/// A queue with `ENTRIES` descriptors. Each buffer takes one for each of its parts, and comes back with its tag.
pub struct Queue<Tag, const ENTRIES: usize> {
    number: u16,
    ring: VirtQueue<System, ENTRIES>,
    /// The buffers that the device has, by the first descriptor of each.
    lent: [Option<(Chain, Tag)>; ENTRIES],
}

impl<Tag, const ENTRIES: usize> Queue<Tag, ENTRIES> {
    /// Sets up the queue `number` of a device.
    ///
    /// # Errors
    /// When the device has no such queue, or the memory for rings is used up.
    pub fn new(transport: &mut impl Transport, number: u16) -> capnp::Result<Self> {
        let ring = VirtQueue::new(transport, number, false, false)
            .map_err(|error| capnp::Error::failed(error.to_string()))?;
        Ok(Self { number, ring, lent: std::array::from_fn(|_| None) })
    }

    /// Gives the device a buffer. It does not look before [`notify`](Self::notify).
    ///
    /// # Errors
    /// When there are not enough descriptors left.
    pub fn lend(&mut self, chain: Chain, tag: Tag) -> Result<(), Broken> {
        // SAFETY: the parts stay mapped as long as the process lives. This process reads and writes them by copying alone
        // (`Mapping::read`, `Mapping::write`), as others do that have them mapped; the crate uses addresses and lengths.
        let token = unsafe { chain.with_lists(|inputs, outputs| self.ring.add(inputs, outputs)) };
        let token = token.map_err(|_| Broken("its queue is full"))?;
        let place =
            self.lent.get_mut(usize::from(token)).ok_or(Broken("its queue has no such descriptor"))?;
        *place = Some((chain, tag));
        Ok(())
    }

    /// Tells the device of what it was lent, unless it looks by itself.
    pub fn notify(&self, transport: &mut impl Transport) {
        if self.ring.should_notify() {
            transport.notify(self.number);
        }
    }

    /// Takes back the next buffer that the device is done with: its tag, and how many bytes the device says it has written.
    ///
    /// # Errors
    /// When the device names a buffer that it does not have, or has written more than that holds.
    pub fn take(&mut self) -> Result<Option<(Tag, usize)>, Broken> {
        let Some(token) = self.ring.peek_used() else { return Ok(None) };
        let lent = self.lent.get_mut(usize::from(token)).and_then(Option::take);
        let (chain, tag) = lent.ok_or(Broken("it used a buffer that it does not have"))?;
        // SAFETY: the same buffers as were added with this token.
        let popped =
            unsafe { chain.with_lists(|inputs, outputs| self.ring.pop_used(token, inputs, outputs)) };
        let length = popped.map_err(|_| Broken("its used ring is inconsistent"))? as usize;
        if length > chain.room() {
            return Err(Broken("it wrote more than a buffer holds"));
        }
        Ok(Some((tag, length)))
    }

    /// Whether the device is to interrupt when it is done with something. Returns whether it is already.
    pub fn set_notice(&mut self, wanted: bool) -> bool {
        self.ring.set_dev_notify(wanted);
        // The device looks after it has said that it is done; so whoever comes second sees what the first did.
        fence(Ordering::SeqCst);
        wanted && self.ring.can_pop()
    }

    /// The first descriptor of each buffer that the device has, with the buffer's tag: what a true device may name.
    #[cfg(any(test, feature = "testing"))]
    pub fn lent(&self) -> impl Iterator<Item = (u16, &Tag)> {
        (0..).zip(&self.lent).filter_map(|(token, lent)| lent.as_ref().map(|(_, tag)| (token, tag)))
    }

    /// How many descriptors are free.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn room(&self) -> usize {
        self.ring.available_desc()
    }
}

#[cfg(test)]
mod lies;
