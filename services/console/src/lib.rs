//! Serves `Console` over one line of bytes whose other end is the host command `capos`. The protocol of `capos-streams`
//! keeps standard input, output and error separate. The line is a virtio console, which is fast, or the kernel's serial
//! console, which every machine has.
//!
//! `streams` implements transfers and waiting, independent of the line; `server` is the interface; `virtio` and
//! `serial` are the lines.

mod outgoing;
mod serial;
mod server;
mod streams;
mod turns;
mod virtio;

use capos_schema::console_capnp::console;
use capos_schema::device_capnp::pci_device;
use capos_schema::supervision_capnp::flushable;
use std::rc::Rc;
use streams::Streams;

/// Serves the exports "console" and "flush" over the virtio console behind `device`, until that fails.
///
/// # Errors
/// The cause of the failure.
pub async fn over_virtio(device: pci_device::Client) -> capnp::Result<()> {
    let (port, interrupt) = virtio::Port::open(device).await?;
    let streams = serve(Box::new(virtio::PortLine::new(&port)))?;
    drop(capos_rt::spawn_local(virtio::run(port, interrupt, streams.clone())));
    Err(streams.broken().await.into())
}

/// Serves the exports "console" and "flush" over `line`, until that fails.
///
/// # Errors
/// The cause of the failure.
pub async fn over_serial(line: console::Client) -> capnp::Result<()> {
    let sender = serial::Sender::new();
    let streams = serve(Box::new(sender.clone()))?;
    drop(capos_rt::spawn_local(serial::write(line.clone(), sender, streams.clone())));
    drop(capos_rt::spawn_local(serial::read(line, streams.clone())));
    Err(streams.broken().await.into())
}

fn serve(line: Box<dyn streams::Line>) -> capnp::Result<Rc<Streams>> {
    let streams = Rc::new(Streams::new(line)?);
    let console: console::Client = capos_rt::serve(server::ConsoleServer(streams.clone()));
    capos_rt::serve_export(capos_schema::names::CONSOLE_EXPORT, console)?;
    let flush: flushable::Client = capos_rt::serve(server::LastFlush(streams.clone()));
    capos_rt::serve_export(capos_schema::names::FLUSH_EXPORT, flush)?;
    Ok(streams)
}
