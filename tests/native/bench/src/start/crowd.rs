//! A thousand instances.

use crate::counter::{Counter, failed, report};
use crate::{Begin, HELLO, start};
use capos_schema::diagnostics_capnp::diagnostics;
use capos_schema::grants::{self, hold};
use capos_schema::timer_capnp::timer;
use capos_schema::wasm_capnp::{instance_end, wasm_host, wasm_instance};

const INSTANCES: u64 = 1000;
const FRAME_BYTES: u64 = 4096;
/// More than it uses.
const FUEL: u64 = 1 << 40;
/// Number of polls whether a sleeper has started.
const TRIES: u32 = 1000;

/// Runs and reports all measurements, their names after `prefix`.
pub(crate) async fn run(counter: &Counter, host: &wasm_host::Client, prefix: &str) -> capnp::Result<()> {
    started_and_ended(counter, host, prefix).await?;
    let idle = resident(host, || start(host, HELLO, Begin::Waiting)).await?;
    println!("{prefix}wasm_idle_instance {idle} bytes");
    let sleeping = resident(host, || start_sleeper(host)).await?;
    println!("{prefix}wasm_sleeping_instance {sleeping} bytes");
    Ok(())
}

/// Sequentially, each to its end: programs that print a line, which is discarded.
async fn started_and_ended(counter: &Counter, host: &wasm_host::Client, prefix: &str) -> capnp::Result<()> {
    let begun = counter.read();
    for _ in 0..INSTANCES {
        let instance = start(host, HELLO, Begin::Running).await?;
        let response = instance.wait_request().send().promise.await?;
        if !matches!(response.get()?.get_end()?.which()?, instance_end::Exited(0)) {
            return Err(failed("an instance did not end well"));
        }
    }
    report(&format!("{prefix}wasm_thousand_started_and_ended"), counter.read() - begun);
    Ok(())
}

/// The memory of the machine used per instance by a thousand: in the host, in the kernel, and here.
async fn resident<F: Future<Output = capnp::Result<wasm_instance::Client>>>(
    host: &wasm_host::Client,
    mut start_one: impl FnMut() -> F,
) -> capnp::Result<u64> {
    let mut instances = Vec::with_capacity(INSTANCES as usize);
    // The first one loads the module into memory, and some pages that the others share.
    instances.push(start_one().await?);
    let before = frames_free().await?;
    for _ in 0..INSTANCES {
        instances.push(start_one().await?);
    }
    let bytes = before.saturating_sub(frames_free().await?) * FRAME_BYTES / INSTANCES;
    for instance in &instances {
        instance.kill_request().send().promise.await?;
    }
    drop(instances);
    // Calls are served in order, so when this one is, all earlier ones are done.
    start(host, HELLO, Begin::Waiting).await?;
    Ok(bytes)
}

async fn frames_free() -> capnp::Result<u64> {
    let diagnostics: diagnostics::Client = capos_rt::grant(grants::DIAGNOSTICS).map_err(failed)?;
    Ok(diagnostics.counters_request().send().promise.await?.get()?.get_frames_free())
}

/// Starts a program with a long sleep, and waits until it sleeps.
async fn start_sleeper(host: &wasm_host::Client) -> capnp::Result<wasm_instance::Client> {
    let timer: timer::Client = capos_rt::grant(grants::TIMER).map_err(failed)?;
    let mut request = host.start_request();
    let mut spec = request.get().init_spec();
    spec.reborrow().init_module().set_named("wasi-nap");
    spec.set_name("sleeper");
    spec.set_run(true);
    hold(spec.reborrow().init_grants().init_grants(1).get(0), grants::TIMER, timer);
    // With a limit, code counts fuel on every engine.
    spec.reborrow().init_limits().set_fuel(FUEL);
    let mut arguments = spec.init_launch().init_arguments(3);
    for (index, argument) in (0..).zip(["sleeper", "1", "1000000000"]) {
        arguments.set(index, argument);
    }
    let instance = request.send().promise.await?.get()?.get_instance()?;
    // Its fuel is accounted when it first waits, and its sleep is the only wait.
    for _ in 0..TRIES {
        if instance.use_request().send().promise.await?.get()?.get_fuel() != 0 {
            return Ok(instance);
        }
    }
    Err(failed("an instance did not begin to run"))
}
