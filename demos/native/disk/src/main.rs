//! Uses the disk granted as "disk". Prints its findings; exits with status 1 on any deviation. The next run finds
//! the data that this one leaves.

mod buffer;

use buffer::Buffer;
use capnp::Error;
use capos_schema::block_capnp::block_device;
use capos_schema::errno_capnp::Errno;
use futures::future::try_join_all;

const MARK: &[u8; 8] = b"capOS-01";

struct Disk {
    device: block_device::Client,
    buffer: Buffer,
    sector_bytes: usize,
    sectors: u64,
    read_only: bool,
}

impl Disk {
    async fn open(device: block_device::Client) -> capnp::Result<Self> {
        let response = device.info_request().send().promise.await?;
        let info = response.get()?;
        let buffer = Buffer::map(&device).await?;
        println!(
            "disk \"{}\": {} sectors of {} bytes{}; buffer {} KiB",
            info.get_serial()?.to_str()?,
            info.get_sectors(),
            info.get_sector_bytes(),
            if info.get_read_only() { ", read-only" } else { "" },
            buffer.bytes / 1024
        );
        let (sector_bytes, sectors) = (info.get_sector_bytes() as usize, info.get_sectors());
        let read_only = info.get_read_only();
        Ok(Self { device, buffer, sector_bytes, sectors, read_only })
    }

    async fn read(&self, sector: u64, sectors: u32, offset: u64) -> capnp::Result<Errno> {
        let mut request = self.device.read_request();
        request.get().set_sector(sector);
        request.get().set_sectors(sectors);
        request.get().set_buffer_offset(offset);
        Ok(request.send().promise.await?.get()?.get_error()?)
    }

    async fn write(&self, sector: u64, sectors: u32, offset: u64) -> capnp::Result<Errno> {
        let mut request = self.device.write_request();
        request.get().set_sector(sector);
        request.get().set_sectors(sectors);
        request.get().set_buffer_offset(offset);
        Ok(request.send().promise.await?.get()?.get_error()?)
    }

    async fn flush(&self) -> capnp::Result<Errno> {
        Ok(self.device.flush_request().send().promise.await?.get()?.get_error()?)
    }
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> capnp::Result<()> {
    if found == wanted {
        Ok(())
    } else {
        Err(Error::failed(format!("{what}: {found:?} instead of {wanted:?}")))
    }
}

/// The content of the sector numbered `sector` in round `round`.
fn pattern(round: u8, sector: u64, length: usize) -> Vec<u8> {
    let mut state = sector.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(round).rotate_left(32) | 1;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Writes patterns with many requests in progress, and reads them back into other parts of the buffer.
async fn patterns(disk: &Disk, round: u8) -> capnp::Result<()> {
    const REQUESTS: u64 = 48;
    const SECTORS: u32 = 8;
    let length = SECTORS as usize * disk.sector_bytes;
    let place = |index: u64| (1 + index * u64::from(SECTORS), index * length as u64);
    for index in 0..REQUESTS {
        let (sector, offset) = place(index);
        disk.buffer.set(usize::try_from(offset).unwrap_or(0), &pattern(round, sector, length));
    }
    let writes = (0..REQUESTS).map(|index| disk.write(place(index).0, SECTORS, place(index).1));
    for error in try_join_all(writes).await? {
        expect("writing a pattern", error, Errno::Success)?;
    }
    expect("flushing", disk.flush().await?, Errno::Success)?;
    let reads = (0..REQUESTS).map(|index| disk.read(place(index).0, SECTORS, place(REQUESTS - 1 - index).1));
    for error in try_join_all(reads).await? {
        expect("reading a pattern", error, Errno::Success)?;
    }
    for index in 0..REQUESTS {
        let offset = usize::try_from(place(REQUESTS - 1 - index).1).unwrap_or(0);
        let found = disk.buffer.get(offset, length);
        expect("a pattern", found == pattern(round, place(index).0, length), true)?;
    }
    println!("{REQUESTS} patterns of {length} bytes: written, flushed, read back");
    Ok(())
}

/// Checks that the first data of the first run is still there.
async fn left(disk: &Disk) -> capnp::Result<()> {
    let length = 8 * disk.sector_bytes;
    expect("reading what was left", disk.read(1, 8, 0).await?, Errno::Success)?;
    expect("what was left", disk.buffer.get(0, length) == pattern(0, 1, length), true)
}

/// Requests that no disk can execute.
async fn hostile(disk: &Disk) -> capnp::Result<()> {
    let end = disk.buffer.bytes as u64;
    let sector_bytes = disk.sector_bytes as u64;
    let cases = [
        ("no sectors", 0, 0, 0),
        ("one past the end", disk.sectors, 1, 0),
        ("across the end", disk.sectors - 1, 2, 0),
        ("the highest sector", u64::MAX, 1, 0),
        ("a sum that overflows", u64::MAX, u32::MAX, 0),
        ("a product that overflows", u64::MAX / sector_bytes + 1, 1, 0),
        ("more than the buffer", 0, u32::MAX, 0),
        ("the end of the buffer", 0, 1, end),
        ("across the end of the buffer", 0, 1, end - sector_bytes + 1),
        ("an offset that overflows", 0, 1, u64::MAX),
    ];
    for (what, sector, sectors, offset) in cases {
        expect(what, disk.read(sector, sectors, offset).await?, Errno::Invalid)?;
        expect(what, disk.write(sector, sectors, offset).await?, Errno::Invalid)?;
    }
    expect("the last sector", disk.read(disk.sectors - 1, 1, end - sector_bytes).await?, Errno::Success)?;
    println!("{} impossible requests: refused", 2 * cases.len());
    Ok(())
}

/// Calls dropped while the device works on them do not affect others.
async fn impatient(disk: &Disk) -> capnp::Result<()> {
    for sector in 0..64 {
        let mut given_up = Box::pin(disk.read(sector, 1, 0));
        let other = disk.read(0, 1, disk.sector_bytes as u64);
        // Both are sent; then one is dropped.
        futures::future::poll_immediate(&mut given_up).await.transpose()?;
        drop(given_up);
        expect("a read beside one that is given up", other.await?, Errno::Success)?;
    }
    println!("64 reads given up: no harm");
    Ok(())
}

async fn run(device: block_device::Client) -> capnp::Result<()> {
    let disk = Disk::open(device).await?;
    if disk.read_only {
        expect("writing", disk.write(0, 1, 0).await?, Errno::ReadOnly)?;
        expect("reading", disk.read(0, 1, 0).await?, Errno::Success)?;
        println!("read-only: a write is refused, a read is not");
        return hostile_reads(&disk).await;
    }
    expect("reading the mark", disk.read(0, 1, 0).await?, Errno::Success)?;
    let marked = disk.buffer.get(0, MARK.len()) == MARK;
    println!("{}", if marked { "an earlier run left a mark and its patterns" } else { "nobody left a mark" });
    if marked {
        left(&disk).await?;
    }
    patterns(&disk, u8::from(marked)).await?;
    hostile(&disk).await?;
    impatient(&disk).await?;
    disk.buffer.set(0, MARK);
    expect("writing the mark", disk.write(0, 1, 0).await?, Errno::Success)?;
    expect("flushing", disk.flush().await?, Errno::Success)?;
    println!("marked");
    Ok(())
}

async fn hostile_reads(disk: &Disk) -> capnp::Result<()> {
    expect("one past the end", disk.read(disk.sectors, 1, 0).await?, Errno::Invalid)
}

fn main() -> Result<(), Error> {
    let device = capos_rt::grant("disk")?;
    capos_rt::block_on(run(device))
}
