//! Killing a working driver, and starting the next.
// Unsafe here: the device changes the transfer buffer's memory by itself.
#![expect(unsafe_code, reason = "the transfer buffer is looked at through its address")]

use crate::device_test::{DeviceTest, Driver, expect, failed, map, unmap};
use capnp::{ErrorKind, Result};
use capos_schema::block_capnp::block_device;
use capos_schema::errno_capnp::Errno;
use futures::future::join_all;
use std::cell::Cell;

const SECTOR: u64 = 512;
/// Number of sectors of each request.
const SECTORS: u32 = 64;
const REQUESTS: u64 = 16;

async fn transfer(device: &block_device::Client, write: bool, request: u64) -> Result<Errno> {
    let (sector, offset) = (request * u64::from(SECTORS), request * u64::from(SECTORS) * SECTOR);
    let response = if write {
        let mut call = device.write_request();
        call.get().set_sector(sector);
        call.get().set_sectors(SECTORS);
        call.get().set_buffer_offset(offset);
        call.send().promise.await?.get()?.get_error()
    } else {
        let mut call = device.read_request();
        call.get().set_sector(sector);
        call.get().set_sectors(SECTORS);
        call.get().set_buffer_offset(offset);
        call.send().promise.await?.get()?.get_error()
    };
    Ok(response?)
}

/// The transfer buffer of a driver, mapped.
struct Buffer {
    address: u64,
    bytes: u64,
}

impl Buffer {
    async fn map(device: &block_device::Client) -> Result<Self> {
        let response = device.transfer_buffer_request().send().promise.await?;
        let buffer = response.get()?;
        let bytes = buffer.get_bytes();
        Ok(Self { address: map(&buffer.get_memory()?, bytes, "rw").await?, bytes })
    }

    /// A word at the beginning of a request's data.
    fn word(&self, request: u64) -> *mut u64 {
        (self.address + request * u64::from(SECTORS) * SECTOR) as *mut u64
    }

    fn set(&self, request: u64, value: u64) {
        // SAFETY: within the buffer, which is mapped until `unmap`; volatile, because the device shares it.
        unsafe { self.word(request).write_volatile(value) };
    }

    fn get(&self, request: u64) -> u64 {
        // SAFETY: as above.
        unsafe { self.word(request).read_volatile() }
    }

    async fn unmap(self) -> Result<()> {
        unmap(self.address, self.bytes).await
    }
}

/// Kills the driver and waits until it has ended.
async fn kill(driver: &Driver) -> Result<()> {
    driver.process.kill_request().send().promise.await?;
    driver.process.wait_request().send().promise.await.map(drop)
}

/// Keeps `REQUESTS` requests in progress until `count` have completed, kills the driver, and checks that each one in
/// progress ends with the right error.
async fn kill_at_work(driver: &Driver, write: bool, count: u64) -> Result<()> {
    let ended = Cell::new(0);
    let killed = Cell::new(false);
    let work = join_all((0..REQUESTS).map(|request| {
        let (ended, killed) = (&ended, &killed);
        async move {
            loop {
                match transfer(&driver.device, write, request).await {
                    Ok(Errno::Success) => ended.set(ended.get() + 1),
                    Err(error) if error.kind == ErrorKind::Disconnected && killed.get() => return Ok(()),
                    other => return Err(failed(format!("a request: {other:?}"))),
                }
                if ended.get() >= count && !killed.replace(true) {
                    driver.process.kill_request().send().promise.await?;
                }
            }
        }
    }));
    work.await.into_iter().collect::<Result<()>>()?;
    driver.process.wait_request().send().promise.await.map(drop)
}

/// Writes marks, so that a completed read can be distinguished from none.
async fn write_marks(device: &block_device::Client, buffer: &Buffer, mark: u64) -> Result<()> {
    for request in 0..REQUESTS {
        buffer.set(request, mark + request);
        expect("writing a mark", transfer(device, true, request).await? == Errno::Success)?;
    }
    let error = device.flush_request().send().promise.await?.get()?.get_error()?;
    expect("flushing", error == Errno::Success)
}

async fn check_marks(device: &block_device::Client, buffer: &Buffer, mark: u64) -> Result<()> {
    for request in 0..REQUESTS {
        buffer.set(request, 0);
        expect("reading a mark", transfer(device, false, request).await? == Errno::Success)?;
        expect("a mark is lost", buffer.get(request) == mark + request)?;
    }
    Ok(())
}

pub(crate) async fn a_killed_driver_loses_nothing_else(device_test: &DeviceTest) -> Result<()> {
    const MARK: u64 = 0x6b69_6c6c_0000_0000;
    let driver = device_test.start_driver().await?;
    let buffer = Buffer::map(&driver.device).await?;
    write_marks(&driver.device, &buffer, MARK).await?;
    kill_at_work(&driver, false, REQUESTS).await?;
    // The memory belongs to this process as long as it is mapped here, regardless of the payer.
    for request in 0..REQUESTS {
        buffer.set(request, request);
    }
    let next = device_test.start_driver().await?;
    let other = Buffer::map(&next.device).await?;
    for request in 0..REQUESTS {
        expect("a dead driver's device wrote to memory", buffer.get(request) == request)?;
    }
    check_marks(&next.device, &other, MARK).await?;
    buffer.unmap().await?;
    other.unmap().await?;
    kill(&next).await
}

pub(crate) async fn a_driver_is_replaced_again_and_again(device_test: &DeviceTest) -> Result<()> {
    const MARK: u64 = 0x6167_6169_0000_0000;
    const ROUNDS: u64 = 40;
    let mut free = Vec::new();
    for round in 0..ROUNDS {
        let driver = device_test.start_driver().await?;
        let buffer = Buffer::map(&driver.device).await?;
        write_marks(&driver.device, &buffer, MARK + (round << 16)).await?;
        check_marks(&driver.device, &buffer, MARK + (round << 16)).await?;
        kill_at_work(&driver, round % 2 == 0, 5 * (round % 10)).await?;
        buffer.unmap().await?;
        drop(driver);
        free.push(device_test.free_frames().await?);
    }
    // Memory that the last driver's device may still access is held back, the other drivers' is not. Heaps grow
    // slightly at first.
    let (early, late) = (free.get(20).copied().unwrap_or(0), free.last().copied().unwrap_or(0));
    if late + 10 < early {
        return Err(failed(format!("{} frames are lost", early - late)));
    }
    Ok(())
}
