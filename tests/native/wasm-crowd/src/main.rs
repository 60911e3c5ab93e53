//! Keeps ten thousand instances in the host granted as "wasm-host", all of which wait for calls. Each takes little memory, and all of
//! them can still be called, and ended.

use capnp::Error;
use capos_rt::{
    block_on, grant,
    schema::{
        diagnostics_capnp::diagnostics,
        grants::DIAGNOSTICS,
        names,
        wasm_capnp::{instance_end, wasm_host, wasm_instance},
    },
};
use std::process::ExitCode;

const MODULE: &str = "wasi-hello-rust";
const INSTANCES: u64 = 10_000;
/// One of so many is called.
const STEP: usize = 1000;
/// The most that one may take on average: in the host, in the kernel, and here.
const MOST_BYTES: u64 = 16 << 10;
const FRAME_BYTES: u64 = 4096;

fn main() -> ExitCode {
    match block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{}", error.extra);
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let host: wasm_host::Client = grant(names::WASM_HOST_EXPORT)?;
    let mut instances = Vec::with_capacity(INSTANCES as usize);
    // The first one loads the module into memory, and some pages that the others share.
    instances.push(start(&host).await?);
    let before = frames_free().await?;
    while (instances.len() as u64) < INSTANCES {
        instances.push(start(&host).await?);
    }
    let bytes = before.saturating_sub(frames_free().await?) * FRAME_BYTES / (INSTANCES - 1);
    if bytes > MOST_BYTES {
        return Err(Error::failed(format!("an instance takes {bytes} bytes")));
    }
    println!("{INSTANCES} instances wait, each in at most {MOST_BYTES} bytes");
    for instance in instances.iter().step_by(STEP) {
        let mut request = instance.call_request();
        request.get().set_function("_start");
        request.send().promise.await?;
    }
    println!("some of them were called");
    for instance in &instances {
        instance.kill_request().send().promise.await?;
        let response = instance.wait_request().send().promise.await?;
        if !matches!(response.get()?.get_end()?.which()?, instance_end::Killed(())) {
            return Err(Error::failed("an instance had ended by itself".into()));
        }
    }
    drop(instances);
    start(&host).await?;
    println!("all have ended, and another one starts");
    Ok(())
}

async fn start(host: &wasm_host::Client) -> Result<wasm_instance::Client, Error> {
    let mut request = host.start_request();
    let mut spec = request.get().init_spec();
    spec.reborrow().init_module().set_named(MODULE);
    spec.set_name(MODULE);
    request.send().promise.await?.get()?.get_instance()
}

async fn frames_free() -> Result<u64, Error> {
    let diagnostics: diagnostics::Client = grant(DIAGNOSTICS)?;
    Ok(diagnostics.counters_request().send().promise.await?.get()?.get_frames_free())
}
