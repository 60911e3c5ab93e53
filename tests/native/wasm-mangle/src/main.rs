//! Runs unusual modules in the host granted as "wasm-host": generated ones, and mutated modules of the boot package.
//! Each of them ends or is killed, and an ordinary one still runs afterwards.

use capnp::Error;
use capos_mangle::{Original, Random, generated};
use capos_package::{Package, binary};
use capos_rt::schema::grants::{ENTROPY, TIMER, hold};
use capos_rt::schema::{
    entropy_capnp::entropy_source,
    file_capnp::namespace,
    manifest_capnp::boot_package,
    timer_capnp::timer,
    wasm_capnp::{instance_end, value, wasm_host, wasm_instance},
};
use capos_rt::{grant, with_deadline};
use std::time::{Duration, Instant};

/// The module whose imports generated modules may have: it uses most functions.
const IMPORTS: &str = "wasi-hostile";
/// The modules that are mutated. A module is sent in a message, which bounds its size.
const MODULES: &[&str] = &["wasi-hostile", "wasi-hello-c", "wasi-clock-denied", "wasi-two-b", "wasm-add"];
/// How long a module may run.
const PATIENCE: Duration = Duration::from_millis(50);

const GENERATED: u32 = 100;
const CHANGED: u32 = 300;

struct Arena {
    host: wasm_host::Client,
    timer: timer::Client,
    entropy: entropy_source::Client,
    directory: namespace::Client,
    /// Number of refused, ended and killed modules.
    refused: u32,
    ended: u32,
    killed: u32,
}

impl Arena {
    async fn run(&mut self, module: &[u8]) -> Result<(), Error> {
        let Ok(instance) = self.start(module, true).await else {
            self.refused += 1;
            return Ok(());
        };
        let end = instance.wait_request().send().promise;
        if with_deadline(end, Instant::now() + PATIENCE).await.is_ok() {
            self.ended += 1;
            return Ok(());
        }
        instance.kill_request().send().promise.await?;
        let end = instance.wait_request().send().promise.await?;
        match end.get()?.get_end()?.which()? {
            instance_end::Killed(()) => self.killed += 1,
            _ => self.ended += 1,
        }
        Ok(())
    }

    async fn start(&self, module: &[u8], run: bool) -> Result<wasm_instance::Client, Error> {
        let mut request = self.host.start_request();
        let mut spec = request.get().init_spec();
        spec.reborrow().init_module().set_bytes(module);
        spec.set_name("mangled");
        spec.set_run(run);
        let mut grants = spec.reborrow().init_grants();
        let mut held = grants.reborrow().init_grants(2);
        hold(held.reborrow().get(0), TIMER, self.timer.clone());
        hold(held.get(1), ENTROPY, self.entropy.clone());
        let mut preopen = grants.init_preopens(1).get(0);
        preopen.set_path("/");
        preopen.set_directory(self.directory.clone());
        let mut limits = spec.init_limits();
        limits.set_fuel(2_000_000);
        limits.set_memory_bytes(2 << 20);
        limits.set_table_elements(4096);
        limits.set_descriptors(32);
        request.send().promise.await?.get()?.get_instance()
    }

    /// Whether the host still works.
    async fn adds(&self, adder: &[u8]) -> Result<i32, Error> {
        let instance = self.start(adder, false).await?;
        let mut request = instance.call_request();
        request.get().set_function("add");
        let mut values = request.get().init_arguments(2);
        values.reborrow().get(0).set_i32(2);
        values.get(1).set_i32(40);
        let response = request.send().promise.await?;
        match response.get()?.get_results()?.get(0).which()? {
            value::I32(sum) => Ok(sum),
            _ => Err(Error::failed("add returned something else".to_owned())),
        }
    }
}

async fn run() -> Result<(), Error> {
    let package = Package::map(grant(capos_rt::schema::grants::BOOT_PACKAGE)?).await?;
    let message = package.message()?;
    let package: boot_package::Reader<'_> = message.get_root()?;
    let mut originals = Vec::new();
    for name in MODULES {
        originals.push(Original::new(binary(package, name)?.to_vec()));
    }
    let mut arena = Arena {
        host: grant(capos_rt::schema::names::WASM_HOST_EXPORT)?,
        timer: grant(TIMER)?,
        entropy: grant(ENTROPY)?,
        directory: grant("scratch")?,
        refused: 0,
        ended: 0,
        killed: 0,
    };
    let mut random = Random::new(2026);
    for _ in 0..GENERATED {
        arena.run(&generated(&mut random, binary(package, IMPORTS)?)).await?;
    }
    for number in 0..CHANGED as usize {
        let Some(original) = originals.get(number % originals.len()) else { continue };
        arena.run(&original.changed(&mut random)).await?;
    }
    let ran = arena.ended + arena.killed;
    println!("{} modules, of which {} in vain", ran + arena.refused, if ran > 100 { "few" } else { "most" });
    println!("2 + 40 is still {}", arena.adds(binary(package, "wasm-add")?).await?);
    Ok(())
}

fn main() -> Result<(), Error> {
    capos_rt::block_on(run())
}
