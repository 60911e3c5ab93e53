//! A queue of buffers that a driver lends to its device, over the queue of `virtio-drivers`.
//!
//! The device is not trusted: a buffer is returned at most once, only if it was lent, and with no more bytes than it holds.
// Unsafe here: the device changes the lent memory concurrently.
#![expect(unsafe_code, reason = "buffers are lent to the device")]

use std::ptr::NonNull;
use std::sync::atomic::{Ordering, fence};

use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::Transport;

use crate::memory::{Mapping, System};

/// The maximum number of parts of a buffer in each direction.
const MOST_PARTS: usize = 2;

/// A device's violation of the queue protocol, after which it is not used any more.
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
    /// `length` bytes of `mapping` from `offset`; `None` if the range is empty or outside the mapping.
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

/// A buffer: parts that the device reads, followed by parts that it writes.
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

    /// Whether it has a part, and no part that the device writes overlaps another.
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

    /// The number of bytes that the device can write.
    fn room(&self) -> usize {
        self.writable.iter().flatten().map(Part::len).sum()
    }

    /// Calls `work` with the lists of parts that the device reads and writes.
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

/// A queue with `ENTRIES` descriptors. A buffer takes one per part, and is returned with its tag.
pub struct Queue<Tag, const ENTRIES: usize> {
    number: u16,
    ring: VirtQueue<System, ENTRIES>,
    /// The lent buffers by their first descriptors.
    lent: [Option<(Chain, Tag)>; ENTRIES],
}

impl<Tag, const ENTRIES: usize> Queue<Tag, ENTRIES> {
    /// Sets up the queue `number` of a device.
    ///
    /// # Errors
    /// If the device has no such queue, or the memory for rings is exhausted.
    pub fn new(transport: &mut impl Transport, number: u16) -> capnp::Result<Self> {
        let ring = VirtQueue::new(transport, number, false, false)
            .map_err(|error| capnp::Error::failed(error.to_string()))?;
        Ok(Self { number, ring, lent: std::array::from_fn(|_| None) })
    }

    /// Lends the device a buffer. It may not notice before [`notify`](Self::notify).
    ///
    /// # Errors
    /// If there are not enough free descriptors.
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

    /// Notifies the device of lent buffers, unless it has disabled notifications.
    pub fn notify(&self, transport: &mut impl Transport) {
        if self.ring.should_notify() {
            transport.notify(self.number);
        }
    }

    /// Takes back the next used buffer: its tag, and the number of bytes that the device reports as written.
    ///
    /// # Errors
    /// If the device names a buffer that was not lent, or reports more bytes than that holds.
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

    /// Enables or disables interrupts for used buffers. Returns whether there are used buffers already.
    pub fn set_notice(&mut self, wanted: bool) -> bool {
        self.ring.set_dev_notify(wanted);
        // The device checks the setting after it publishes a used buffer, so one of the two sides sees the other's write.
        fence(Ordering::SeqCst);
        wanted && self.ring.can_pop()
    }

    /// The first descriptor and the tag of each lent buffer: the values that a correct device may name.
    #[cfg(any(test, feature = "testing"))]
    pub fn lent(&self) -> impl Iterator<Item = (u16, &Tag)> {
        (0..).zip(&self.lent).filter_map(|(token, lent)| lent.as_ref().map(|(_, tag)| (token, tag)))
    }

    /// The number of free descriptors.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn room(&self) -> usize {
        self.ring.available_desc()
    }
}

#[cfg(test)]
mod lies;
