//! Starts WebAssembly instances through the host granted as "wasm-host", calls their exports, reads their
//! resource use, and kills one that loops.

use capnp::Error;
use capos_rt::schema::wasm_capnp::{instance_end, value, wasm_host, wasm_instance};
use capos_rt::with_deadline;
use std::time::{Duration, Instant};

/// Run time of the loop before it is killed.
const PATIENCE: Duration = Duration::from_millis(20);

async fn start(host: &wasm_host::Client, name: &str) -> Result<wasm_instance::Client, Error> {
    let mut request = host.start_request();
    let mut spec = request.get().init_spec();
    spec.reborrow().init_module().set_named("wasm-add");
    spec.set_name(name);
    // No grants: the module has no imports.
    request.send().promise.await?.get()?.get_instance()
}

async fn call(instance: &wasm_instance::Client, function: &str, arguments: &[i32]) -> Result<i64, Error> {
    let mut request = instance.call_request();
    let mut params = request.get();
    params.set_function(function);
    let mut values = params.init_arguments(arguments.len() as u32);
    for (index, &argument) in (0..).zip(arguments) {
        values.reborrow().get(index).set_i32(argument);
    }
    let response = request.send().promise.await?;
    let results = response.get()?.get_results()?;
    if results.is_empty() {
        return Err(Error::failed(format!("{function} returned nothing")));
    }
    match results.get(0).which()? {
        value::I32(number) => Ok(number.into()),
        value::I64(number) => Ok(number),
        _ => Err(Error::failed(format!("{function} returned a float"))),
    }
}

async fn run(host: wasm_host::Client) -> Result<(), Error> {
    let adder = start(&host, "adder").await?;
    println!("add(2, 40) = {}", call(&adder, "add", &[2, 40]).await?);
    println!("fib(15) = {}", call(&adder, "fib", &[15]).await?);
    let fuel = adder.use_request().send().promise.await?.get()?.get_fuel();
    println!("fuel used: {}", if fuel > 1000 { "more than 1000" } else { "suspiciously little" });

    let looper = start(&host, "looper").await?;
    let spinning = call(&looper, "spin", &[]);
    match with_deadline(spinning, Instant::now() + PATIENCE).await {
        Ok(_) => println!("the loop ended by itself"),
        Err(elapsed) => println!("spin(): {elapsed}"),
    }
    looper.kill_request().send().promise.await?;
    let end = looper.wait_request().send().promise.await?;
    match end.get()?.get_end()?.which()? {
        instance_end::Killed(()) => println!("the loop was killed"),
        _ => println!("the loop ended in another way"),
    }
    println!("add(1, 1) = {}", call(&adder, "add", &[1, 1]).await?);
    Ok(())
}

fn main() -> Result<(), Error> {
    let host = capos_rt::grant(capos_rt::schema::names::WASM_HOST_EXPORT)?;
    capos_rt::block_on(run(host))
}
