//! Drives the virtio entropy device (virtio 1.2, 5.4) behind the grant "device", and serves it as the export "entropy"; the export
//! "flush" says in the log that the run is about to end.

use std::cell::RefCell;
use std::process::ExitCode;
use std::rc::Rc;

use bitflags::bitflags;
use capnp::Error;
use capos_schema::device_capnp::interrupt;
use capos_schema::entropy_capnp::{MAX_FILL_BYTES, entropy_source};
use capos_schema::supervision_capnp::flushable;
use capos_virtio::{Chain, Device, Mapping, Part, Queue, Registers};
use virtio_drivers::transport::{DeviceType, Transport};

const QUEUE: u16 = 0;
const ENTRIES: usize = 4;
const PAGE: u64 = 4096;

bitflags! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Features: u64 {
        const VERSION_1 = 1 << 32;
    }
}

/// The device, in use by one call at a time.
struct Source(RefCell<Option<Drawing>>);

struct Drawing {
    registers: Registers,
    queue: Queue<(), ENTRIES>,
    interrupt: interrupt::Client,
    memory: Mapping,
}

impl Drawing {
    /// Has the device fill `bytes`, in as many steps as it likes.
    async fn fill(&mut self, bytes: &mut [u8]) -> capnp::Result<()> {
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let part = Part::of(&self.memory, 0, rest.len());
            let chain = part.and_then(|part| Chain::new(&[], &[part]));
            self.queue.lend(chain.ok_or_else(|| Error::failed("too long".into()))?, ())?;
            self.queue.notify(&mut *self.registers.transport);
            let length = loop {
                if let Some(((), length)) = self.queue.take()? {
                    break length;
                }
                self.interrupt.wait_request().send().promise.await?;
            };
            if length == 0 || !self.memory.read(0, rest.get_mut(..length).unwrap_or_default()) {
                return Err(Error::failed("the device gave nothing".into()));
            }
            done += length;
        }
        Ok(())
    }
}

impl entropy_source::Server for Source {
    async fn fill(
        self: Rc<Self>,
        params: entropy_source::FillParams,
        mut results: entropy_source::FillResults,
    ) -> Result<(), Error> {
        let length = params.get()?.get_length();
        if length > MAX_FILL_BYTES {
            return Err(Error::overloaded(format!("more than {MAX_FILL_BYTES} bytes at once")));
        }
        let drawing = self.0.take();
        let mut drawing = drawing.ok_or_else(|| Error::overloaded("another call is drawing".into()))?;
        let filled = drawing.fill(results.get().init_bytes(length)).await;
        self.0.replace(Some(drawing));
        filled
    }
}

struct Ending;

impl flushable::Server for Ending {
    async fn flush(
        self: Rc<Self>,
        _: flushable::FlushParams,
        _: flushable::FlushResults,
    ) -> Result<(), Error> {
        eprintln!("virtio-rng: the run ends");
        Ok(())
    }
}

async fn run() -> capnp::Result<()> {
    let device = capos_rt::grant(capos_schema::names::DEVICE_GRANT)?;
    let mut device = Device::take_charge(device, DeviceType::EntropySource, 2 * PAGE, PAGE).await?;
    device.negotiate(Features::all(), Features::VERSION_1)?;
    let Device { mut registers, interrupt, transfer: memory, .. } = device;
    registers.direct_interrupt(QUEUE)?;
    let queue = Queue::new(&mut *registers.transport, QUEUE)?;
    registers.transport.finish_init();
    let drawing = Drawing { registers, queue, interrupt, memory };
    let source: entropy_source::Client = capos_rt::serve(Source(RefCell::new(Some(drawing))));
    capos_rt::serve_export("entropy-device", source)?;
    let ending: flushable::Client = capos_rt::serve(Ending);
    capos_rt::serve_export("ending", ending)?;
    std::future::pending().await
}

fn main() -> ExitCode {
    match capos_rt::block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("virtio-rng: {error}");
            ExitCode::FAILURE
        }
    }
}
