//! The request queue: virtio's block requests (virtio 1.2, 5.2.6) over the crate's queue.
// Unsafe here: memory that is lent to the device changes by itself.
#![expect(unsafe_code, reason = "buffers are lent to the device")]

use crate::transfer::Transfer;
use capos_virtio::{Mapping, System, take_pages};
use std::ptr::NonNull;
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::Transport;

/// The only queue in use.
pub(crate) const QUEUE: u16 = 0;
const ENTRIES: usize = 64;
/// Each request takes at most three descriptors: header, data, status.
pub(crate) const SLOTS: usize = ENTRIES / 3;
/// Control memory of each slot: its header, the answer to [`Kind::Serial`], and its status.
const SLOT_BYTES: usize = 64;
const HEADER_BYTES: usize = 16;
pub(crate) const SERIAL_BYTES: usize = 20;
const SERIAL_OFFSET: usize = 16;
const STATUS_OFFSET: usize = 40;
/// The value of the status until the device writes it.
const NO_STATUS: u8 = 0xff;

const _: () = assert!(SLOTS * SLOT_BYTES <= virtio_drivers::PAGE_SIZE);

/// A request to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Read(Transfer),
    Write(Transfer),
    Flush,
    Serial,
}

impl Kind {
    /// Type, priority and first unit.
    fn header(self) -> [u8; HEADER_BYTES] {
        let (kind, unit) = match self {
            Self::Read(transfer) => (0_u32, transfer.unit),
            Self::Write(transfer) => (1, transfer.unit),
            Self::Flush => (4, 0),
            Self::Serial => (8, 0),
        };
        let mut header = [0; HEADER_BYTES];
        header[..4].copy_from_slice(&kind.to_le_bytes());
        header[8..].copy_from_slice(&unit.to_le_bytes());
        header
    }
}

/// The status of a completed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status(u8);

impl Status {
    pub(crate) const fn is_ok(self) -> bool {
        self.0 == 0
    }
}

/// The error after a protocol violation by the device, which is not used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// Requests in progress, by slot.
pub(crate) struct Queue {
    ring: VirtQueue<System, ENTRIES>,
    /// One page of control memory.
    page: NonNull<u8>,
    transfer: Mapping,
    /// The request in each slot, and its token.
    under_way: [Option<(u16, Kind)>; SLOTS],
}

impl Queue {
    pub(crate) fn new(transport: &mut impl Transport, transfer: Mapping) -> capnp::Result<Self> {
        let ring = VirtQueue::new(transport, QUEUE, false, false)
            .map_err(|error| capnp::Error::failed(error.to_string()))?;
        let page = take_pages(1).ok_or_else(|| capnp::Error::failed("too little control memory".into()))?.1;
        Ok(Self { ring, page, transfer, under_way: [None; SLOTS] })
    }

    /// A part of a slot's control memory. `slot` is below [`SLOTS`].
    fn control(&self, slot: usize, offset: usize, length: usize) -> NonNull<[u8]> {
        assert!(slot < SLOTS && offset + length <= SLOT_BYTES, "a slot ends there");
        // SAFETY: the slots are within the page (asserted above and at compile time).
        let start = unsafe { self.page.add(slot * SLOT_BYTES + offset) };
        NonNull::slice_from_raw_parts(start, length)
    }

    /// The buffers of a request; `None` if its transfer is not within the buffer.
    fn buffers(&self, slot: usize, kind: Kind) -> Option<Buffers> {
        let data = match kind {
            Kind::Read(transfer) | Kind::Write(transfer) => {
                Some(self.transfer.part(transfer.offset, transfer.length)?)
            }
            Kind::Flush => None,
            Kind::Serial => Some(self.control(slot, SERIAL_OFFSET, SERIAL_BYTES)),
        };
        let (header, status) = (self.control(slot, 0, HEADER_BYTES), self.control(slot, STATUS_OFFSET, 1));
        Some(Buffers { header, data, status, reads_data: matches!(kind, Kind::Write(_)) })
    }

    /// Submits a request in a free slot, and notifies the device if necessary.
    pub(crate) fn begin(
        &mut self,
        transport: &mut impl Transport,
        slot: usize,
        kind: Kind,
    ) -> Result<(), Broken> {
        let buffers = self.buffers(slot, kind).ok_or(Broken)?;
        // SAFETY: the slot is free, so neither the device nor any reference uses these bytes.
        unsafe {
            buffers.header.cast::<[u8; HEADER_BYTES]>().write(kind.header());
            buffers.status.cast::<u8>().write(NO_STATUS);
        }
        // SAFETY: the buffers stay mapped for the life of the process, and the control memory of a slot is not touched
        // before `next_finished` has popped it. The client may write the data meanwhile; neither this process nor the
        // crate reads or writes it, they use only the address and the length.
        let token = unsafe { buffers.with_lists(|inputs, outputs| self.ring.add(inputs, outputs)) };
        let token = token.map_err(|_| Broken)?;
        *self.under_way.get_mut(slot).ok_or(Broken)? = Some((token, kind));
        if self.ring.should_notify() {
            transport.notify(QUEUE);
        }
        Ok(())
    }

    /// The slot of a request that the device has completed, and its status.
    pub(crate) fn next_finished(&mut self) -> Result<Option<(usize, Status)>, Broken> {
        let Some(token) = self.ring.peek_used() else { return Ok(None) };
        let is_its = |entry: &Option<(u16, Kind)>| entry.is_some_and(|(its, _)| its == token);
        let slot = self.under_way.iter().position(is_its).ok_or(Broken)?;
        let (_, kind) = self.under_way.get_mut(slot).and_then(Option::take).ok_or(Broken)?;
        let buffers = self.buffers(slot, kind).ok_or(Broken)?;
        // SAFETY: the same buffers that were added with this token.
        let popped =
            unsafe { buffers.with_lists(|inputs, outputs| self.ring.pop_used(token, inputs, outputs)) };
        popped.map_err(|_| Broken)?;
        // SAFETY: the device has completed the slot.
        let status = unsafe { buffers.status.cast::<u8>().read_volatile() };
        Ok(Some((slot, Status(status))))
    }

    /// The result of a finished [`Kind::Serial`] in `slot`.
    pub(crate) fn serial(&self, slot: usize) -> [u8; SERIAL_BYTES] {
        // SAFETY: the bytes are within the slot, whose request the device has completed.
        unsafe {
            self.control(slot, SERIAL_OFFSET, SERIAL_BYTES).cast::<[u8; SERIAL_BYTES]>().read_volatile()
        }
    }
}

/// The memory that a request lends to the device.
struct Buffers {
    header: NonNull<[u8]>,
    data: Option<NonNull<[u8]>>,
    status: NonNull<[u8]>,
    /// Whether the device reads the data; otherwise it writes it.
    reads_data: bool,
}

impl Buffers {
    /// Calls `work` with the lists of buffers that the device reads and writes.
    ///
    /// # Safety
    /// The buffers must be valid, and `work` must only add them to a queue or pop them from it.
    unsafe fn with_lists<R>(
        &self,
        work: impl for<'a> FnOnce(&'a [&'a [u8]], &'a mut [&'a mut [u8]]) -> R,
    ) -> R {
        let Self { header, data, mut status, reads_data } = *self;
        // SAFETY: guaranteed by the caller, as this function's contract states.
        unsafe {
            match data {
                Some(data) if reads_data => work(&[header.as_ref(), data.as_ref()], &mut [status.as_mut()]),
                Some(mut data) => work(&[header.as_ref()], &mut [data.as_mut(), status.as_mut()]),
                None => work(&[header.as_ref()], &mut [status.as_mut()]),
            }
        }
    }
}

#[cfg(test)]
mod lies;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_as_the_specification_says() {
        let transfer = Transfer { unit: 0x0102_0304_0506_0708, offset: 0, length: 512 };
        let unit = [8, 7, 6, 5, 4, 3, 2, 1];
        for (kind, number) in [(Kind::Read(transfer), 0), (Kind::Write(transfer), 1)] {
            let header = kind.header();
            assert_eq!((header[0], &header[1..8], &header[8..]), (number, &[0; 7][..], &unit[..]));
        }
        assert_eq!(Kind::Flush.header()[..4], [4, 0, 0, 0]);
        assert_eq!(Kind::Serial.header()[..4], [8, 0, 0, 0]);
    }
}
