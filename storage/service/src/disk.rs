//! A disk driven by another process, as a volume's block device.

use std::cell::RefCell;
use std::io;

use capos_rt::{Ask as _, SharedMemory, block_on};
use capos_schema::block_capnp::block_device;
use capos_schema::errno_capnp::Errno;
use capos_volume::{BlockDevice, SECTOR};

/// Maximum size of the transfer buffer that is used. Volumes request less at a time.
const MOST_BUFFER_BYTES: usize = 1 << 20;

thread_local! {
    /// The disk of this process. Devices may be sent to other threads, but clients may not, so other threads do not
    /// find it.
    static DISK: RefCell<Option<Client>> = const { RefCell::new(None) };
}

struct Client {
    device: block_device::Client,
    buffer: SharedMemory,
}

/// The device behind the grant "disk". Calls wait for the driver's answer; after the driver has ended they fail. Meanwhile
/// calls of clients are started, and those that need the volume wait for their turn.
#[derive(Debug)]
pub(crate) struct Disk {
    size_bytes: u64,
    pub(crate) read_only: bool,
}

impl Disk {
    /// Queries the driver for the disk's properties.
    pub(crate) fn find() -> capnp::Result<Self> {
        let device: block_device::Client = capos_rt::grant(capos_schema::names::DISK_GRANT)?;
        let (found, client) = block_on(open(device))?;
        DISK.set(Some(client));
        Ok(found)
    }

    /// Calls `work` for each part of `length` bytes that fits the buffer: with its position on the disk and among the
    /// bytes.
    fn pieces(
        &self,
        offset: u64,
        length: usize,
        mut work: impl FnMut(&Client, u64, std::ops::Range<usize>) -> io::Result<()>,
    ) -> io::Result<()> {
        let end = offset.checked_add(length as u64).filter(|end| *end <= self.size_bytes);
        if end.is_none() || !offset.is_multiple_of(SECTOR as u64) || !length.is_multiple_of(SECTOR) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "range outside the disk"));
        }
        with_client(|client| {
            let most = client.buffer.length();
            for start in (0..length).step_by(most) {
                work(client, offset + start as u64, start..length.min(start + most))?;
            }
            Ok(())
        })
    }
}

async fn open(device: block_device::Client) -> capnp::Result<(Disk, Client)> {
    let response = device.info_request().ask().await?;
    let info = response.get()?;
    check(info.get_error()?, "its description")?;
    if info.get_sector_bytes() as usize != SECTOR {
        let text = format!("it has sectors of {} bytes; volumes need {SECTOR}", info.get_sector_bytes());
        return Err(capnp::Error::unimplemented(text));
    }
    let response = device.transfer_buffer_request().ask().await?;
    let buffer = response.get()?;
    check(buffer.get_error()?, "its buffer")?;
    let bytes = buffer.get_bytes().min(MOST_BUFFER_BYTES as u64) / SECTOR as u64 * SECTOR as u64;
    if bytes == 0 {
        return Err(capnp::Error::failed("its buffer holds no sector".into()));
    }
    let buffer = SharedMemory::map(buffer.get_memory()?, bytes).await?;
    let size_bytes = info.get_sectors().saturating_mul(SECTOR as u64);
    Ok((Disk { size_bytes, read_only: info.get_read_only() }, Client { device, buffer }))
}

fn check(error: Errno, what: &str) -> capnp::Result<()> {
    match error {
        Errno::Success => Ok(()),
        error => Err(capnp::Error::failed(format!("{what}: {error:?}"))),
    }
}

/// Calls `work` with the disk's client.
fn with_client<T>(work: impl FnOnce(&Client) -> io::Result<T>) -> io::Result<T> {
    DISK.with_borrow(|client| match client {
        Some(client) => work(client),
        None => Err(io::Error::other("the disk is only accessible from the thread that opened it")),
    })
}

/// Unpacks the outcome of a call to the driver.
macro_rules! answer {
    ($request:expr) => {
        block_on(async {
            let response = $request.ask().await.map_err(io::Error::other)?;
            let error =
                response.get().and_then(|results| Ok(results.get_error()?)).map_err(io::Error::other)?;
            match error {
                Errno::Success => Ok(()),
                Errno::ReadOnly => Err(io::Error::from(io::ErrorKind::ReadOnlyFilesystem)),
                error => Err(io::Error::other(format!("disk driver: {error:?}"))),
            }
        })
    };
}

/// Number of sectors in `bytes`, which are at most [`MOST_BUFFER_BYTES`].
fn sectors(bytes: usize) -> u32 {
    (bytes / SECTOR) as u32
}

impl BlockDevice for Disk {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.pieces(offset, out.len(), |client, offset, part| {
            let mut request = client.device.read_request();
            request.get().set_sector(offset / SECTOR as u64);
            request.get().set_sectors(sectors(part.len()));
            answer!(request)?;
            let out = out.get_mut(part).unwrap_or_default();
            client.buffer.read(0, out).map_err(io::Error::other)
        })
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.pieces(offset, data.len(), |client, offset, part| {
            let data = data.get(part).unwrap_or_default();
            client.buffer.write(0, data).map_err(io::Error::other)?;
            let mut request = client.device.write_request();
            request.get().set_sector(offset / SECTOR as u64);
            request.get().set_sectors(sectors(data.len()));
            answer!(request)
        })
    }

    fn flush(&self) -> io::Result<()> {
        with_client(|client| answer!(client.device.flush_request()))
    }
}
