//! Calls instances of a host with `engine: "auto"` until they run as compiled code, and compares what they return with a model.
//!
//! Compiled code without a limit of fuel counts none: an instance whose use of fuel does not grow has moved.

use capnp::Error;
use capos_rt::schema::manifest_capnp::Engine;
use capos_rt::schema::wasm_capnp::{value, wasm_host, wasm_instance};
use std::time::{Duration, Instant};

/// Calls before an instance may move.
const CALLS: u32 = 100;
/// Time for the compiler.
const PATIENCE: Duration = Duration::from_secs(120);
/// Pages of 64 KiB that are written: of the host's memory, more than half.
const FILLED_PAGES: i32 = 640;
const BEGINNING: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(20);

/// The expected state of an instance of `moving`.
#[derive(Default)]
struct Model {
    calls: u32,
    sum: i64,
    remembered: i64,
}

impl Model {
    fn step(&mut self) -> (i32, i64) {
        let number = self.calls.wrapping_mul(2_654_435_761) >> 2;
        self.calls += 1;
        self.remembered += i64::from(number);
        self.sum += if number.is_multiple_of(2) { i64::from(number) } else { -i64::from(number) };
        (number.cast_signed(), self.sum)
    }
}

async fn start(
    host: &wasm_host::Client,
    module: &str,
    engine: Engine,
) -> Result<wasm_instance::Client, Error> {
    let mut request = host.start_request();
    let mut spec = request.get().init_spec();
    spec.reborrow().init_module().set_named(module);
    spec.set_name(module);
    spec.init_options().set_engine(engine);
    request.send().promise.await?.get()?.get_instance()
}

async fn call(instance: &wasm_instance::Client, function: &str, argument: Option<i32>) -> Result<i64, Error> {
    let mut request = instance.call_request();
    let mut params = request.get();
    params.set_function(function);
    if let Some(argument) = argument {
        params.init_arguments(1).get(0).set_i32(argument);
    }
    let response = request.send().promise.await?;
    match response.get()?.get_results()?.get(0).which()? {
        value::I32(number) => Ok(number.into()),
        value::I64(number) => Ok(number),
        _ => Err(Error::failed(format!("{function} returned a float"))),
    }
}

async fn step(instance: &wasm_instance::Client, model: &mut Model) -> Result<(), Error> {
    let (number, expected) = model.step();
    let sum = call(instance, "step", Some(number)).await?;
    if sum != expected {
        return Err(Error::failed(format!("call {}: {sum}, not {expected}", model.calls)));
    }
    Ok(())
}

async fn fuel(instance: &wasm_instance::Client) -> Result<u64, Error> {
    Ok(instance.use_request().send().promise.await?.get()?.get_fuel())
}

/// Compares the memory.
async fn check(instance: &wasm_instance::Client, model: &Model) -> Result<(), Error> {
    let remembered = call(instance, "remembered", None).await?;
    println!("{}", if remembered == model.remembered { "all is remembered" } else { "something is lost" });
    Ok(())
}

/// Whether a call uses no fuel.
async fn is_compiled(instance: &wasm_instance::Client, model: &mut Model) -> Result<bool, Error> {
    let before = fuel(instance).await?;
    step(instance, model).await?;
    Ok(fuel(instance).await? == before)
}

async fn run(host: wasm_host::Client) -> Result<(), Error> {
    // It never sleeps, so the compiler gets nowhere at the lowest priority: somebody must wait for the code.
    let spinner = start(&host, "wasm-add", Engine::Interpreter).await?;
    let mut spinning = spinner.call_request();
    spinning.get().set_function("spin");
    let _spinning = capos_rt::spawn_local(async move { spinning.send().promise.await.map(drop) });

    let (instance, mut model) = (start(&host, "moving", Engine::Auto).await?, Model::default());
    call(&instance, "fill", Some(FILLED_PAGES)).await?;
    // Time for a worker of the compiler to begin, at the lowest priority.
    capos_rt::sleep(BEGINNING).await;
    while model.calls < CALLS - 2 {
        step(&instance, &mut model).await?;
    }
    println!(
        "before: {}",
        if is_compiled(&instance, &mut model).await? { "compiled" } else { "interpreted" }
    );
    let begun = Instant::now();
    while !is_compiled(&instance, &mut model).await? {
        if begun.elapsed() > PATIENCE {
            return Err(Error::failed("it did not move".into()));
        }
        capos_rt::sleep(PAUSE).await;
    }
    println!("after: compiled, with {} MiB", call(&instance, "filled", None).await? >> 20);
    check(&instance, &model).await?;
    for _ in 0..CALLS {
        step(&instance, &mut model).await?;
    }
    check(&instance, &model).await?;

    let (later, mut model) = (start(&host, "moving", Engine::Auto).await?, Model::default());
    println!(
        "a later start: {}",
        if is_compiled(&later, &mut model).await? { "compiled" } else { "interpreted" }
    );

    // Nobody waits for its code, whose worker is in the way of the next one.
    let _idle = start(&host, "wasm-add", Engine::Auto).await?;
    capos_rt::sleep(BEGINNING).await;
    let other = start(&host, "staying", Engine::Auto).await?;
    let begun = Instant::now();
    // Its code is there soon after; the log says what happened.
    while begun.elapsed() < Duration::from_secs(10) {
        for _ in 0..CALLS {
            call(&other, "change", None).await?;
        }
        capos_rt::sleep(PAUSE).await;
    }
    let before = fuel(&other).await?;
    call(&other, "change", None).await?;
    println!("another module: {}", if fuel(&other).await? == before { "compiled" } else { "interpreted" });
    spinner.kill_request().send().promise.await?;
    Ok(())
}

fn main() -> Result<(), Error> {
    let host = capos_rt::grant(capos_rt::schema::names::WASM_HOST_EXPORT)?;
    capos_rt::block_on(run(host))
}
