//! Has instances trap, ten thousand in all, in the host granted as "wasm-host". Each trap ends its instance with the right
//! reason, and leaves the host and another instance as they were.

use capnp::Error;
use capos_rt::{
    block_on, grant,
    schema::{
        names,
        wasm_capnp::{instance_end, value, wasm_host, wasm_instance},
    },
};
use std::process::ExitCode;

const MODULE: &str = "traps";
/// Nested calls end after some thousand.
const STACK_BYTES: u64 = 64 << 10;
const ROUNDS: u32 = 840;

/// The functions that trap.
const KINDS: [&str; 12] = [
    "beyond",
    "end",
    "far",
    "divide",
    "overflow",
    "convert",
    "unreachable",
    "empty",
    "wrong",
    "outside",
    "deep",
    "deeper",
];

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
    let neighbour = start(&host).await?;
    let mut reasons = Vec::new();
    for kind in KINDS {
        let reason = trap(&host, kind).await?;
        println!("{kind}: {reason}");
        reasons.push(reason);
    }
    for round in 1..ROUNDS {
        for (kind, reason) in KINDS.iter().zip(&reasons) {
            let found = trap(&host, kind).await?;
            if found != *reason {
                return Err(Error::failed(format!("{kind}: {found} in round {round}")));
            }
        }
        let count = count(&neighbour).await?;
        if count != round as i32 {
            return Err(Error::failed(format!("the neighbour counts {count} instead of {round}")));
        }
    }
    println!("{} traps, and the neighbour is as it was", ROUNDS * KINDS.len() as u32);
    Ok(())
}

async fn start(host: &wasm_host::Client) -> Result<wasm_instance::Client, Error> {
    let mut request = host.start_request();
    let mut spec = request.get().init_spec();
    spec.reborrow().init_module().set_named(MODULE);
    spec.set_name(MODULE);
    spec.init_limits().set_stack_bytes(STACK_BYTES);
    request.send().promise.await?.get()?.get_instance()
}

/// Calls a function of a new instance, and returns the reason of its end.
async fn trap(host: &wasm_host::Client, function: &str) -> Result<String, Error> {
    let instance = start(host).await?;
    let mut request = instance.call_request();
    request.get().set_function(function);
    if request.send().promise.await.is_ok() {
        return Err(Error::failed(format!("{function} returned")));
    }
    let end = instance.wait_request().send().promise.await?;
    match end.get()?.get_end()?.which()? {
        instance_end::Trap(trap) => Ok(trap?.get_message()?.to_string()?),
        _ => Err(Error::failed(format!("{function} ended it, and not by a trap"))),
    }
}

async fn count(instance: &wasm_instance::Client) -> Result<i32, Error> {
    let mut request = instance.call_request();
    request.get().set_function("count");
    let response = request.send().promise.await?;
    match response.get()?.get_results()?.get(0).which()? {
        value::I32(count) => Ok(count),
        _ => Err(Error::failed("count returned something else".to_owned())),
    }
}
