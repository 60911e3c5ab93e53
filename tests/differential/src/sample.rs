//! Modules that the tests outside do not use.

use capos_codegen::Settings;
use capos_differential::{Generated, Interpreted, Observed, Runner as _, generated};
use capos_rt::block_on;
use capos_wasm::Machine;
use std::{process::exit, rc::Rc};

const SEEDS: std::ops::Range<u64> = 1_000_000..1_000_200;
const CODE: [Settings; 2] =
    [Settings { counts_fuel: false, is_portable: false }, Settings { counts_fuel: true, is_portable: false }];
/// A part of this thread's stack, more than the deepest recursion of a generated module takes.
const STACK_BYTES: usize = 256 << 10;
/// The pool has a place for each 32 KiB of it; there is one instance at a time.
const MEMORY_BYTES: u64 = 8 << 20;

pub(super) fn main() {
    if let Err(reason) = block_on(compare()) {
        println!("{reason}");
        exit(1);
    }
}

async fn compare() -> Result<(), String> {
    let machine = capos_wasm_compiled::machine(MEMORY_BYTES).await.map_err(|error| error.extra)?;
    let machine = machine.ok_or("no compiler is granted")?;
    let engines = CODE.map(|settings| {
        let engine = Generated::configured(settings, |config| {
            config.max_wasm_stack(STACK_BYTES);
            machine.configure(config, true);
        });
        (settings, engine)
    });
    let (mut returned, mut trapped) = (0, 0);
    for seed in SEEDS {
        let module = generated(seed);
        let expected = Interpreted.run(&module, seed);
        for (settings, engine) in &engines {
            let observed = observe(&machine, engine, *settings, &module, seed).await;
            if observed != expected {
                return Err(format!("module {seed}, {settings:?}: {observed:?} instead of {expected:?}"));
            }
        }
        if let Observed::Called { calls, .. } = expected {
            let failed = calls.iter().filter(|call| call.outcome.is_err()).count();
            trapped += failed;
            returned += calls.len() - failed;
        }
    }
    println!(
        "{} modules: {returned} calls returned and {trapped} trapped, with the same results everywhere",
        SEEDS.count()
    );
    Ok(())
}

async fn observe(
    machine: &Rc<dyn Machine>,
    engine: &Generated,
    settings: Settings,
    module: &[u8],
    seed: u64,
) -> Observed {
    match machine.module(engine.engine(), module, settings).await {
        Ok(module) => engine.observe(&module, seed),
        Err(_) => Observed::Refused,
    }
}
