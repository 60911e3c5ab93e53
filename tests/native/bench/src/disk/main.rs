//! Measures the cost of a disk through `BlockDevice`: the client, the driver and the kernel between them. The disk's own
//! work is done by the host and takes no instructions here.

#[expect(dead_code, reason = "the other benchmark uses the rest")]
#[path = "../bench/counter.rs"]
mod counter;
mod idle;

use capos_rt::Ask as _;
use capos_schema::block_capnp::block_device;
use capos_schema::errno_capnp::Errno;
use counter::{Counter, failed};

const SECTOR: u32 = 512;
const PAGE: u32 = 4096;
const MEGABYTE: u32 = 1 << 20;
const WARM_UP: u64 = 4;
const RUNS: u64 = 64;
/// Concurrent requests in the measurements with several.
const AT_ONCE: u32 = 16;

fn main() -> std::process::ExitCode {
    match capos_rt::block_on(run()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-disk: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

async fn run() -> capnp::Result<()> {
    let counter = Counter::new().await?;
    let disk: block_device::Client = capos_rt::grant("disk").map_err(failed)?;
    let disk = &disk;
    idle::fill().await?;
    measure(&counter, "block_read_4k", || transfer(disk, Direction::Read, 0, PAGE)).await?;
    measure(&counter, "block_write_4k", || transfer(disk, Direction::Write, 0, PAGE)).await?;
    measure(&counter, "block_flush", || flush(disk)).await?;
    measure(&counter, "block_read_1m", || transfer(disk, Direction::Read, 0, MEGABYTE)).await?;
    measure(&counter, "block_write_1m", || transfer(disk, Direction::Write, 0, MEGABYTE)).await?;
    measure(&counter, "block_read_16_times_4k", || several(disk, Direction::Read)).await?;
    measure(&counter, "block_write_16_times_4k", || several(disk, Direction::Write)).await
}

/// Reports the mean cost of the future returned by `run`, excluding waiting.
async fn measure<F: Future<Output = capnp::Result<()>>>(
    counter: &Counter,
    name: &str,
    mut run: impl FnMut() -> F,
) -> capnp::Result<()> {
    for _ in 0..WARM_UP {
        run().await?;
    }
    let (start, idle) = (counter.read(), idle::spent());
    for _ in 0..RUNS {
        run().await?;
    }
    let waited = idle::spent() - idle;
    counter::report(name, (counter.read() - start).saturating_sub(waited) / RUNS);
    Ok(())
}

#[derive(Clone, Copy)]
enum Direction {
    Read,
    Write,
}

/// Transfers `bytes` between piece number `place` of the disk and that of the buffer.
async fn transfer(
    disk: &block_device::Client,
    direction: Direction,
    place: u32,
    bytes: u32,
) -> capnp::Result<()> {
    let (sectors, offset) = (bytes / SECTOR, u64::from(place) * u64::from(bytes));
    let sector = offset / u64::from(SECTOR);
    let error = match direction {
        Direction::Read => {
            let mut request = disk.read_request();
            request.get().set_sector(sector);
            request.get().set_sectors(sectors);
            request.get().set_buffer_offset(offset);
            request.ask().await?.get()?.get_error()?
        }
        Direction::Write => {
            let mut request = disk.write_request();
            request.get().set_sector(sector);
            request.get().set_sectors(sectors);
            request.get().set_buffer_offset(offset);
            request.ask().await?.get()?.get_error()?
        }
    };
    check(error)
}

async fn flush(disk: &block_device::Client) -> capnp::Result<()> {
    check(disk.flush_request().ask().await?.get()?.get_error()?)
}

async fn several(disk: &block_device::Client, direction: Direction) -> capnp::Result<()> {
    let all = (0..AT_ONCE).map(|place| transfer(disk, direction, place, PAGE));
    futures::future::try_join_all(all).await.map(drop)
}

fn check(error: Errno) -> capnp::Result<()> {
    if error == Errno::Success { Ok(()) } else { Err(failed(format!("the disk says {error:?}"))) }
}
