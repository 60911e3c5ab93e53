//! The queue of requests: virtio's block requests (virtio 1.2, 5.2.6) over the queue of `capos-virtio`.

use crate::transfer::Transfer;
use capos_virtio::{Broken, Chain, Mapping, Part, take_control};
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
const OUTSIDE: Broken = Broken("a place outside the memory of requests");

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

/// Requests under way, by slot.
pub(crate) struct Queue {
    /// Each buffer's tag is its slot.
    ring: capos_virtio::Queue<usize, ENTRIES>,
    /// One page of control memory.
    control: Mapping,
    transfer: Mapping,
}

impl Queue {
    pub(crate) fn new(transport: &mut impl Transport, transfer: Mapping) -> capnp::Result<Self> {
        let ring = capos_virtio::Queue::new(transport, QUEUE)?;
        let control =
            take_control().ok_or_else(|| capnp::Error::failed("too little control memory".into()))?;
        Ok(Self { ring, control, transfer })
    }

    /// A part of a slot's control memory.
    fn part(&self, slot: usize, offset: usize, length: usize) -> Option<Part> {
        (slot < SLOTS).then(|| Part::of(&self.control, slot * SLOT_BYTES + offset, length)).flatten()
    }

    /// The buffer of a request. A transfer that does not lie in the memory for data has none.
    fn chain(&self, slot: usize, kind: Kind) -> Option<Chain> {
        let (header, status) = (self.part(slot, 0, HEADER_BYTES)?, self.part(slot, STATUS_OFFSET, 1)?);
        let data = |transfer: Transfer| Part::of(&self.transfer, transfer.offset, transfer.length);
        match kind {
            Kind::Read(transfer) => Chain::new(&[header], &[data(transfer)?, status]),
            Kind::Write(transfer) => Chain::new(&[header, data(transfer)?], &[status]),
            Kind::Flush => Chain::new(&[header], &[status]),
            Kind::Serial => Chain::new(&[header], &[self.part(slot, SERIAL_OFFSET, SERIAL_BYTES)?, status]),
        }
    }

    /// Submits a request in a free slot, and notifies the device if necessary.
    pub(crate) fn begin(
        &mut self,
        transport: &mut impl Transport,
        slot: usize,
        kind: Kind,
    ) -> Result<(), Broken> {
        let chain = self.chain(slot, kind).ok_or(OUTSIDE)?;
        let is_written = self.control.write(slot * SLOT_BYTES, &kind.header())
            && self.control.write(slot * SLOT_BYTES + STATUS_OFFSET, &[NO_STATUS]);
        if !is_written {
            return Err(OUTSIDE);
        }
        self.ring.lend(chain, slot)?;
        self.ring.notify(transport);
        Ok(())
    }

    /// The slot of a request that the device has completed, and its status.
    pub(crate) fn next_finished(&mut self) -> Result<Option<(usize, Status)>, Broken> {
        let Some((slot, _)) = self.ring.take()? else { return Ok(None) };
        let mut status = [NO_STATUS];
        let is_read = self.control.read(slot * SLOT_BYTES + STATUS_OFFSET, &mut status);
        if is_read { Ok(Some((slot, Status(status[0])))) } else { Err(OUTSIDE) }
    }

    /// The result of a finished [`Kind::Serial`] in `slot`.
    pub(crate) fn serial(&self, slot: usize) -> [u8; SERIAL_BYTES] {
        let mut serial = [0; SERIAL_BYTES];
        // A slot lies in the page.
        let _ = self.control.read(slot * SLOT_BYTES + SERIAL_OFFSET, &mut serial);
        serial
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
