//! Finding and opening devices.

use crate::world::{World, allocate, expect, interrupt, refused, registers};
use capnp::{ErrorKind, Result};
use capos_abi::Rights;
use capos_rt::attenuate;

pub(crate) async fn one_holder_at_a_time(world: &World) -> Result<()> {
    let device = world.open_disk().await?;
    refused("a device that is open", world.open_disk().await, ErrorKind::Overloaded)?;
    let copy = attenuate(&device, Rights::READ)?;
    drop(device);
    refused("a device of which a copy is left", world.open_disk().await, ErrorKind::Overloaded)?;
    drop(copy);
    world.open_disk().await.map(drop)
}

pub(crate) async fn what_is_no_device_is_not_given_out(world: &World) -> Result<()> {
    for address in [0xffff, 0x00ff, 0x8000, world.disk | 7] {
        refused("nothing", world.open(address).await, ErrorKind::Failed)?;
    }
    Ok(())
}

/// Bridges to the processor and to other buses.
pub(crate) async fn parts_of_the_machine_stay_the_kernels(world: &World) -> Result<()> {
    let response = world.bus.functions_request().send().promise.await?;
    let mut bridges = 0;
    for function in response.get()?.get_functions()? {
        if function.get_class() >> 16 == 6 {
            bridges += 1;
            refused("a bridge", world.open(function.get_address()).await, ErrorKind::Failed)?;
        }
    }
    expect("a machine without bridges", bridges > 0)
}

pub(crate) async fn rights_are_needed(world: &World) -> Result<()> {
    let blind = attenuate(&world.bus, Rights::WRITE)?;
    refused("looking", blind.functions_request().send().promise.await, ErrorKind::Failed)?;
    let idle = attenuate(&world.bus, Rights::READ)?;
    let mut request = idle.open_request();
    request.get().set_address(world.disk);
    refused("opening", request.send().promise.await, ErrorKind::Failed)?;

    let device = world.open_disk().await?;
    let look = attenuate(&device, Rights::READ)?;
    expect("a short configuration space", {
        look.config_request().send().promise.await?.get()?.get_bytes()?.len() == 256
    })?;
    refused("registers", registers(&look, 4, 0, 4096).await, ErrorKind::Failed)?;
    refused("an interrupt", interrupt(&look, 0).await, ErrorKind::Failed)?;
    refused("memory", allocate(&look, 4096).await, ErrorKind::Failed)?;
    refused("mastering", crate::world::set_bus_master(&look, true).await, ErrorKind::Failed)?;
    refused("settling", look.quiesced_request().send().promise.await, ErrorKind::Failed)
}

pub(crate) async fn opening_for_ever_leaves_nothing(world: &World) -> Result<()> {
    let cycle = async || {
        let device = world.open_disk().await?;
        let length = crate::world::bar_length(&device, 4).await?;
        let window = registers(&device, 4, 0, length).await?;
        let line = interrupt(&device, 0).await?;
        let memory = allocate(&device, 65536).await?;
        drop((window, line, memory, device));
        Ok::<_, capnp::Error>(())
    };
    cycle().await?;
    let before = world.free_frames().await?;
    for _ in 0..200 {
        cycle().await?;
    }
    expect("frames are lost", world.free_frames().await? == before)
}
