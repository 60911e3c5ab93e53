//! `BlockDevice` (schema/block.capnp).

use crate::disk::Requests;
use crate::queue::{Kind, Status};
use crate::setup::Hardware;
use crate::transfer::Geometry;
use capos_rt::JoinHandle;
use capos_schema::block_capnp::block_device::{
    FlushParams, FlushResults, InfoParams, InfoResults, ReadParams, ReadResults, Server,
    TransferBufferParams, TransferBufferResults, WriteParams, WriteResults,
};
use capos_schema::errno_capnp::Errno;
use capos_schema::memory_capnp::memory_object;
use capos_virtio::Broken;
use std::rc::Rc;

/// A disk for clients.
pub struct Disk {
    requests: Requests,
    geometry: Geometry,
    transfer_memory: memory_object::Client,
    can_flush: bool,
    serial: String,
}

impl Disk {
    /// Starts serving a disk. The returned task ends when the disk fails permanently, with the reason.
    ///
    /// # Errors
    /// When it does not answer its first request.
    pub async fn start(hardware: Hardware) -> capnp::Result<(Self, JoinHandle<Broken>)> {
        let Hardware { registers, queue, interrupt, transfer_memory, geometry, can_flush } = hardware;
        let requests = Requests::new(registers, queue);
        let serving = capos_rt::spawn_local(requests.clone().serve(interrupt));
        let serial = requests.serial().await?;
        let serial = printable(&serial.unwrap_or_default());
        Ok((Self { requests, geometry, transfer_memory, can_flush, serial }, serving))
    }

    async fn perform(&self, kind: Kind) -> Errno {
        errno(self.requests.perform(kind).await)
    }
}

/// The text before the first NUL, restricted to visible ASCII.
fn printable(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let visible = bytes.iter().take(end).filter(|byte| byte.is_ascii_graphic() || **byte == b' ');
    visible.map(|&byte| char::from(byte)).collect()
}

fn errno(result: Result<Status, Broken>) -> Errno {
    match result {
        Ok(status) if status.is_ok() => Errno::Success,
        _ => Errno::Io,
    }
}

impl Server for Disk {
    async fn info(self: Rc<Self>, _: InfoParams, mut results: InfoResults) -> Result<(), capnp::Error> {
        let mut info = results.get();
        info.set_sector_bytes(self.geometry.sector_bytes);
        info.set_sectors(self.geometry.sectors);
        info.set_read_only(self.geometry.read_only);
        info.set_serial(&self.serial);
        Ok(())
    }

    async fn transfer_buffer(
        self: Rc<Self>,
        _: TransferBufferParams,
        mut results: TransferBufferResults,
    ) -> Result<(), capnp::Error> {
        results.get().set_memory(self.transfer_memory.clone());
        results.get().set_bytes(self.geometry.buffer_bytes as u64);
        Ok(())
    }

    async fn read(self: Rc<Self>, params: ReadParams, mut results: ReadResults) -> Result<(), capnp::Error> {
        let params = params.get()?;
        let transfer =
            self.geometry.transfer(params.get_sector(), params.get_sectors(), params.get_buffer_offset());
        let error = match transfer {
            Ok(transfer) => self.perform(Kind::Read(transfer)).await,
            Err(error) => error,
        };
        results.get().set_error(error);
        Ok(())
    }

    async fn write(
        self: Rc<Self>,
        params: WriteParams,
        mut results: WriteResults,
    ) -> Result<(), capnp::Error> {
        let params = params.get()?;
        let transfer =
            self.geometry.transfer(params.get_sector(), params.get_sectors(), params.get_buffer_offset());
        let error = match transfer {
            Ok(_) if self.geometry.read_only => Errno::ReadOnly,
            Ok(transfer) => self.perform(Kind::Write(transfer)).await,
            Err(error) => error,
        };
        results.get().set_error(error);
        Ok(())
    }

    async fn flush(self: Rc<Self>, _: FlushParams, mut results: FlushResults) -> Result<(), capnp::Error> {
        // A device without flush has each write on the medium when it reports completion.
        let error = if self.can_flush { self.perform(Kind::Flush).await } else { Errno::Success };
        results.get().set_error(error);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_shown_as_far_as_they_can_be() {
        assert_eq!(printable(b"disk 7\0\0garbage"), "disk 7");
        assert_eq!(printable(b"\x1b[2J\xffabc"), "[2Jabc");
        assert_eq!(printable(&[b'x'; 20]), "x".repeat(20));
    }
}
