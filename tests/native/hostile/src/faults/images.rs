//! A program stored in its parent's memory object, which must be sealed before it can be started.
#![expect(unsafe_code, reason = "the program is copied to a raw address")]

use crate::start::{Launcher, describe, small_limits};
use capnp::message::Builder;
use capos_schema::launch_capnp::launch_parameters;
use capos_schema::memory_capnp::{code_factory, memory_object};
use capos_schema::process_capnp::{exit_cause, process};

const PAGE: u64 = 4096;

/// The purpose of a mapping.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Read,
    Write,
}

/// Returns the number of failed checks.
pub(crate) async fn run(launcher: &Launcher) -> capnp::Result<usize> {
    let program = launcher.program()?;
    let length = (program.len() as u64).next_multiple_of(PAGE);
    let factory: code_factory::Client = capos_rt::grant(capos_schema::grants::CODE_FACTORY)?;
    let mut request = factory.create_request();
    request.get().set_length(length);
    let object = request.send().promise.await?.get()?.get_object()?;
    let address = map(&object, length, Use::Write).await?;
    // SAFETY: the kernel mapped that many bytes there, writable, and nothing else refers to them yet.
    unsafe { core::ptr::copy_nonoverlapping(program.as_ptr(), address as *mut u8, program.len()) };

    let start = async |case: &str| start(launcher, &object, program.len() as u64, case).await;
    let seal = async || object.seal_request().send().promise.await.map(|_| ());
    let mut checks = Vec::new();
    checks.push(("cannot be sealed beside a writable mapping", seal().await.is_err()));
    unmap(address, length).await?;
    checks.push(("does not start unsealed", start("bootstrap_is_intact").await.is_err()));
    seal().await?;
    checks.push(("says that it is sealed", is_sealed(&object).await?));
    checks.push(("starts sealed", ends_well(&start("bootstrap_is_intact").await?).await?));
    checks.push(("cannot be mapped writable any more", map(&object, length, Use::Write).await.is_err()));
    checks.push(("can be read", map(&object, length, Use::Read).await.is_ok()));

    let failed: Vec<_> = checks.iter().filter(|(_, passed)| !passed).map(|(name, _)| name).collect();
    failed.iter().for_each(|name| println!("faults: image: not so: {name}"));
    if failed.is_empty() {
        println!("faults: image: {} checks passed", checks.len());
    }
    Ok(failed.len())
}

async fn start(
    launcher: &Launcher,
    image: &memory_object::Client,
    length: u64,
    case: &str,
) -> capnp::Result<process::Client> {
    let mut launch = Builder::new_default();
    let mut arguments = launch.init_root::<launch_parameters::Builder<'_>>().init_arguments(2);
    arguments.set(0, "image");
    arguments.set(1, case);
    let mut request = launcher.spawner().spawn_request();
    let mut params = request.get();
    params.set_image(image.clone());
    params.set_image_length(length);
    params.set_name("image");
    params.set_launch_parameters(&capnp::serialize::write_message_to_words(&launch));
    params.set_limits(small_limits().get()?)?;
    request.send().promise.await?.get()?.get_process()
}

async fn ends_well(process: &process::Client) -> capnp::Result<bool> {
    let response = process.wait_request().send().promise.await?;
    let cause = response.get()?.get_cause()?;
    let well = matches!(cause.which()?, exit_cause::Exited(0));
    if !well {
        println!("faults: image: {}", describe(cause)?);
    }
    Ok(well)
}

async fn is_sealed(object: &memory_object::Client) -> capnp::Result<bool> {
    Ok(object.size_request().send().promise.await?.get()?.get_sealed())
}

async fn map(object: &memory_object::Client, length: u64, use_of: Use) -> capnp::Result<u64> {
    let mut request = capos_rt::virtual_memory().map_object_request();
    request.get().set_object(object.clone());
    request.get().set_length(length);
    let mut protection = request.get().init_protection();
    protection.set_read(true);
    protection.set_write(use_of == Use::Write);
    Ok(request.send().promise.await?.get()?.get_address())
}

async fn unmap(address: u64, length: u64) -> capnp::Result<()> {
    let mut request = capos_rt::virtual_memory().unmap_request();
    request.get().set_address(address);
    request.get().set_length(length);
    request.send().promise.await?;
    Ok(())
}
