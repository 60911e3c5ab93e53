//! DMA memory.
// Unsafe here: memory is accessed through its address.
#![expect(unsafe_code, reason = "mapped memory is looked at through its address")]

use crate::device_test::{DeviceTest, allocate, expect, map, map_private, refused, set_bus_master, unmap};
use capnp::{ErrorKind, Result};

const PAGE: u64 = 4096;

pub(crate) async fn lengths_are_limited(device_test: &DeviceTest) -> Result<()> {
    let device = device_test.open_disk().await?;
    for length in [0, 1, PAGE + 1, (16 << 20) + PAGE, 1 << 40, u64::MAX, u64::MAX - PAGE + 1] {
        refused("a length", allocate(&device, length).await, ErrorKind::Failed)?;
    }
    let (_memory, address) = allocate(&device, 16 << 20).await?;
    expect("an address in the middle of a page", address > 0 && address % PAGE == 0)
}

pub(crate) async fn pieces_are_limited(device_test: &DeviceTest) -> Result<()> {
    let device = device_test.open_disk().await?;
    let mut before = None;
    // The first allocation may grow tables.
    for _ in 0..2 {
        let mut held = Vec::new();
        let error = loop {
            match allocate(&device, PAGE).await {
                Ok(piece) if held.len() < 1000 => held.push(piece),
                other => break other,
            }
        };
        refused("piece upon piece", error, ErrorKind::Overloaded)?;
        expect("not 64 pieces", held.len() == 64)?;
        drop(held);
        let free = device_test.free_frames().await?;
        expect("frames are lost", before.replace(free).is_none_or(|before| before == free))?;
    }
    Ok(())
}

/// This process has 64 MiB.
pub(crate) async fn the_payer_has_a_budget(device_test: &DeviceTest) -> Result<()> {
    let device = device_test.open_disk().await?;
    let mut held = Vec::new();
    let error = loop {
        match allocate(&device, 16 << 20).await {
            Ok(piece) if held.len() < 100 => held.push(piece),
            other => break other,
        }
    };
    refused("more than the budget", error, ErrorKind::Overloaded)?;
    expect("too much for the budget", held.len() <= 3)?;
    drop(held);
    allocate(&device, 16 << 20).await.map(drop)
}

pub(crate) async fn memory_is_never_sealed_or_private(device_test: &DeviceTest) -> Result<()> {
    let (memory, _) = allocate(&device_test.open_disk().await?, PAGE).await?;
    refused("sealed memory", memory.seal_request().send().promise.await, ErrorKind::Failed)?;
    refused("private memory", map_private(&memory, PAGE).await, ErrorKind::Failed)
}

pub(crate) async fn memory_is_zeroed(device_test: &DeviceTest) -> Result<()> {
    let device = device_test.open_disk().await?;
    for _ in 0..4 {
        let (memory, _) = allocate(&device, 16 * PAGE).await?;
        let address = map(&memory, 16 * PAGE, "rw").await?;
        for page in 0..16 {
            let word = (address + page * PAGE + 8 * page) as *mut u64;
            // SAFETY: the range is mapped, and the device does not know it.
            let found = unsafe { word.read_volatile() };
            expect("somebody's data", found == 0)?;
            // SAFETY: as above.
            unsafe { word.write_volatile(u64::MAX) };
        }
        unmap(address, 16 * PAGE).await?;
    }
    Ok(())
}

pub(crate) async fn what_a_master_knows_is_kept_back(device_test: &DeviceTest) -> Result<()> {
    const PAGES: u64 = 32;
    let before = device_test.free_frames().await?;
    let device = device_test.open_disk().await?;
    let piece = allocate(&device, PAGES * PAGE).await?;
    set_bus_master(&device, true).await?;
    drop(piece);
    let kept = before - device_test.free_frames().await?;
    expect("the device may still write to frames that are free", kept >= PAGES)?;
    let settle = || device.quiesced_request().send().promise;
    refused("settling while it is a bus master", settle().await, ErrorKind::Failed)?;
    set_bus_master(&device, false).await?;
    // Disabling is not enough: the device may still complete earlier requests.
    expect("frames went back too early", before - device_test.free_frames().await? >= PAGES)?;
    settle().await?;
    expect("frames did not come back", device_test.free_frames().await? + PAGES > before)?;

    // The same if the holder releases the device without `quiesced`; the next one confirms it.
    let _piece = allocate(&device, PAGES * PAGE).await?;
    set_bus_master(&device, true).await?;
    drop((_piece, device));
    expect("frames went back with the holder", before - device_test.free_frames().await? >= PAGES)?;
    let device = device_test.open_disk().await?;
    device.quiesced_request().send().promise.await?;
    expect("frames did not come back", device_test.free_frames().await? + PAGES > before)
}
