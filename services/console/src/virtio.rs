//! A virtio console (virtio 1.2, 5.3) as a line: port 0 of a device with one port, whose two queues carry bytes.

mod queue;

use crate::streams::{Broken, Line, OUTGOING_BYTES, Streams};
use bitflags::bitflags;
use capos_rt::{Ask as _, SharedMemory};
use capos_schema::device_capnp::{interrupt, pci_device};
use capos_virtio::{Device, Registers};
use queue::{BUFFER_BYTES, BUFFERS, RECEIVE, Receiver, Sender, TRANSMIT};
use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use virtio_drivers::transport::{DeviceType, Transport};

/// Rings of both queues, with room to spare.
const CONTROL_BYTES: u64 = 8 * 4096;
/// The output ring, followed by the input buffers.
const TRANSFER_BYTES: u64 = (OUTGOING_BYTES + BUFFERS * BUFFER_BYTES) as u64;

bitflags! {
    /// The negotiated features (virtio 1.2, 6). A multiport device is driven as one with a single port.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Features: u64 {
        const VERSION_1 = 1 << 32;
    }
}

/// A console port that carries bytes.
pub(crate) struct Port {
    registers: Registers,
    sender: Sender,
    receiver: Receiver,
    memory: SharedMemory,
}

impl Port {
    /// Resets the device and makes it ready.
    pub(crate) async fn open(
        device: pci_device::Client,
    ) -> capnp::Result<(Rc<RefCell<Self>>, interrupt::Client)> {
        let mut device =
            Device::take_charge(device, DeviceType::Console, CONTROL_BYTES, TRANSFER_BYTES).await?;
        device.negotiate(Features::all(), Features::VERSION_1)?;
        let Device { mut registers, interrupt, transfer_memory, transfer } = device;
        let memory = SharedMemory::map(transfer_memory, TRANSFER_BYTES).await?;
        registers.direct_interrupt(RECEIVE)?;
        registers.direct_interrupt(TRANSMIT)?;
        let receiver = Receiver::new(&mut *registers.transport, transfer)?;
        let sender = Sender::new(&mut *registers.transport, transfer)?;
        registers.transport.finish_init();
        let mut port = Self { registers, sender, receiver, memory };
        port.receiver.lend_all(&mut *port.registers.transport)?;
        Ok((Rc::new(RefCell::new(port)), interrupt))
    }
}

/// The port's output.
pub(crate) struct PortLine(Rc<RefCell<Port>>);

/// Passes bytes in both directions until the device or the host fails.
pub(crate) async fn run(port: Rc<RefCell<Port>>, interrupt: interrupt::Client, streams: Rc<Streams>) {
    let broken = loop {
        if interrupt.wait_request().ask().await.is_err() {
            break Broken("the console's interrupt was lost");
        }
        if let Err(broken) = serve(&port, &streams).await {
            break broken;
        }
    };
    streams.fail(broken);
}

/// Processes all completions of the device.
async fn serve(port: &RefCell<Port>, streams: &Streams) -> Result<(), Broken> {
    let mut bytes = [0; BUFFER_BYTES];
    loop {
        for _ in 0..BUFFERS {
            let received = port.borrow_mut().receive(&mut bytes)?;
            let Some(length) = received else { return streams.pump() };
            streams.received(bytes.get(..length).unwrap_or_default())?;
        }
        // Yield to readers and writers, however much arrives.
        streams.pump()?;
        capos_rt::yield_now().await;
    }
}

impl Port {
    /// Copies the bytes of one buffer, and returns the buffer to the device.
    fn receive(&mut self, into: &mut [u8; BUFFER_BYTES]) -> Result<Option<usize>, Broken> {
        let Some(filled) = self.receiver.next_filled()? else { return Ok(None) };
        let target = into.get_mut(..filled.length).ok_or(OUTSIDE)?;
        self.memory.read(filled.offset, target).map_err(|_| OUTSIDE)?;
        self.receiver.lend(&mut *self.registers.transport, filled.buffer)?;
        Ok(Some(filled.length))
    }
}

const OUTSIDE: Broken = Broken("a place outside the console's buffers");

impl PortLine {
    pub(crate) fn new(port: &Rc<RefCell<Port>>) -> Self {
        Self(port.clone())
    }
}

impl Line for PortLine {
    fn put(&mut self, offset: usize, bytes: &[u8]) -> Result<(), Broken> {
        self.0.borrow().memory.write(offset, bytes).map_err(|_| OUTSIDE)
    }

    fn send(&mut self, piece: Range<usize>) -> Result<bool, Broken> {
        let Port { registers, sender, .. } = &mut *self.0.borrow_mut();
        sender.send(&mut *registers.transport, piece)
    }

    fn take_sent(&mut self) -> Result<usize, Broken> {
        self.0.borrow_mut().sender.take_sent()
    }

    fn set_notice(&mut self, wanted: bool) -> bool {
        self.0.borrow_mut().sender.set_notice(wanted)
    }
}
