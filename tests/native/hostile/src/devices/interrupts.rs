//! Ownership of interrupts.

use crate::device_test::{DeviceTest, interrupt, refused};
use capnp::{ErrorKind, Result};
use capos_abi::Rights;
use capos_rt::{Revocable, attenuate};
use futures::future::poll_immediate;

pub(crate) async fn entries_are_limited_and_have_one_holder(device_test: &DeviceTest) -> Result<()> {
    let device = device_test.open_disk().await?;
    for entry in [2, 16, 2047, u16::MAX] {
        refused("an entry that is not there", interrupt(&device, entry).await, ErrorKind::Failed)?;
    }
    let line = interrupt(&device, 0).await?;
    refused("an entry that is taken", interrupt(&device, 0).await, ErrorKind::Overloaded)?;
    interrupt(&device, 1).await?;
    drop(line);
    interrupt(&device, 0).await.map(drop)
}

pub(crate) async fn waiting_ends_with_the_device(device_test: &DeviceTest) -> Result<()> {
    let device = device_test.open_disk().await?;
    let line = interrupt(&device, 0).await?;
    let mut first = line.wait_request().send().promise;
    let mut second = line.wait_request().send().promise;
    let early = poll_immediate(&mut first).await.is_some() || poll_immediate(&mut second).await.is_some();
    crate::device_test::expect("an interrupt that did not fire", !early)?;
    drop(device);
    refused("waiting", first.await, ErrorKind::Disconnected)?;
    refused("waiting behind another", second.await, ErrorKind::Disconnected)?;
    refused("waiting again", line.wait_request().send().promise.await, ErrorKind::Disconnected)?;
    // The old interrupt does not revive with the device.
    let device = device_test.open_disk().await?;
    refused("waiting again", line.wait_request().send().promise.await, ErrorKind::Disconnected)?;
    interrupt(&device, 0).await.map(drop)
}

pub(crate) async fn waiting_ends_when_the_interrupt_is_taken_back(device_test: &DeviceTest) -> Result<()> {
    let device = device_test.open_disk().await?;
    let line = interrupt(&device, 0).await?;
    let lent = Revocable::new(&line)?;
    // Revocation affects the capabilities derived from it.
    let copy = attenuate(&lent.client(), Rights::READ)?;
    let mut waiting = copy.wait_request().send().promise;
    crate::device_test::expect(
        "an interrupt that did not fire",
        poll_immediate(&mut waiting).await.is_none(),
    )?;
    lent.revoke()?;
    refused("waiting", waiting.await, ErrorKind::Disconnected)?;
    refused("an entry that is taken", interrupt(&device, 0).await, ErrorKind::Overloaded)?;
    drop((copy, lent, line));
    interrupt(&device, 0).await.map(drop)
}

/// There are 160 for the whole machine.
pub(crate) async fn vectors_come_back(device_test: &DeviceTest) -> Result<()> {
    for round in 0..400 {
        let device = device_test.open_disk().await?;
        let lines = (interrupt(&device, 0).await?, interrupt(&device, 1).await?);
        // Both ways to release them.
        if round % 2 == 0 {
            drop(lines);
            drop(device);
        } else {
            drop(device);
            drop(lines);
        }
    }
    Ok(())
}
