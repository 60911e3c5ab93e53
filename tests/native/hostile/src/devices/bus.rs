//! Finding and opening devices.

use crate::device_test::{DeviceTest, allocate, expect, interrupt, refused, registers};
use capnp::{ErrorKind, Result};
use capos_abi::Rights;
use capos_rt::attenuate;

pub(crate) async fn one_holder_at_a_time(device_test: &DeviceTest) -> Result<()> {
    let device = device_test.open_disk().await?;
    refused("a device that is open", device_test.open_disk().await, ErrorKind::Overloaded)?;
    let copy = attenuate(&device, Rights::READ)?;
    drop(device);
    refused("a device of which a copy is left", device_test.open_disk().await, ErrorKind::Overloaded)?;
    drop(copy);
    device_test.open_disk().await.map(drop)
}

pub(crate) async fn what_is_no_device_is_not_given_out(device_test: &DeviceTest) -> Result<()> {
    for address in [0xffff, 0x00ff, 0x8000, device_test.disk | 7] {
        refused("nothing", device_test.open(address).await, ErrorKind::Failed)?;
    }
    Ok(())
}

/// Bridges to the processor and to other buses.
pub(crate) async fn parts_of_the_machine_stay_the_kernels(device_test: &DeviceTest) -> Result<()> {
    let mut bridges = 0;
    for function in capos_pci::functions(&device_test.bus).await? {
        if function.class >> 16 == 6 {
            bridges += 1;
            refused("a bridge", device_test.open(function.address).await, ErrorKind::Failed)?;
        }
    }
    expect("a machine without bridges", bridges > 0)
}

pub(crate) async fn rights_are_needed(device_test: &DeviceTest) -> Result<()> {
    let blind = attenuate(&device_test.bus, Rights::WRITE)?;
    refused("looking", capos_pci::functions(&blind).await, ErrorKind::Failed)?;
    let idle = attenuate(&device_test.bus, Rights::READ)?;
    let mut request = idle.open_request();
    request.get().set_address(device_test.disk);
    refused("opening", request.send().promise.await, ErrorKind::Failed)?;

    let device = device_test.open_disk().await?;
    let look = attenuate(&device, Rights::READ)?;
    expect("a short configuration space", {
        look.config_request().send().promise.await?.get()?.get_bytes()?.len() == 256
    })?;
    refused("registers", registers(&look, 4, 0, 4096).await, ErrorKind::Failed)?;
    refused("an interrupt", interrupt(&look, 0).await, ErrorKind::Failed)?;
    refused("memory", allocate(&look, 4096).await, ErrorKind::Failed)?;
    refused("mastering", crate::device_test::set_bus_master(&look, true).await, ErrorKind::Failed)?;
    refused("settling", look.quiesced_request().send().promise.await, ErrorKind::Failed)
}

pub(crate) async fn opening_for_ever_leaves_nothing(device_test: &DeviceTest) -> Result<()> {
    let cycle = async || {
        let device = device_test.open_disk().await?;
        let length = crate::device_test::bar_length(&device, 4).await?;
        let window = registers(&device, 4, 0, length).await?;
        let line = interrupt(&device, 0).await?;
        let memory = allocate(&device, 65536).await?;
        drop((window, line, memory, device));
        Ok::<_, capnp::Error>(())
    };
    cycle().await?;
    let before = device_test.free_frames().await?;
    for _ in 0..200 {
        cycle().await?;
    }
    expect("frames are lost", device_test.free_frames().await? == before)
}
