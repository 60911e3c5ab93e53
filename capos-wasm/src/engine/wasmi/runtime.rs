//! From a module to an instance.

use super::{
    data::HostData, fuel::FuelMeter, instance::Instance, limiter::Limiter, link::link, module::parse,
    start::export_start,
};
use crate::{
    Limits,
    instance::Interrupts,
    limits::MAX_STACK_DEPTH,
    wasi::{Context, Wasi},
};
use std::borrow::Cow;
use wasmi::{CompilationMode, Config, CustomFuelCosts, Engine, Linker, Module, Store};

/// Room for each nested call's parameters, locals and operands, on average.
const STACK_BYTES_PER_CALL: usize = 1024;

/// A module, read and validated.
pub(crate) struct Compiled {
    engine: Engine,
    module: Module,
    bytes: Cow<'static, [u8]>,
}

/// Compiles a module for one instance. The error says what is wrong with it.
///
/// Each instance has an engine of its own: wasmi never frees code while its engine lives, so that starting
/// instances for ever on one engine would use up the host's memory.
pub(crate) fn compile(bytes: Cow<'static, [u8]>, limits: &Limits) -> Result<Compiled, String> {
    let engine = Engine::new(&config(limits.stack_depth));
    let bytes = export_start(bytes);
    let module = parse(&engine, &bytes)?;
    Ok(Compiled { engine, module, bytes })
}

/// Makes an instance of a module. The error says what is missing.
pub(crate) fn instantiate(
    compiled: Compiled,
    context: Context,
    limits: &Limits,
    interrupts: Interrupts,
) -> Result<Instance, String> {
    let Compiled { engine, module, bytes } = compiled;
    let mut linker = Linker::new(&engine);
    link(&mut linker, &module)?;
    let control = interrupts.control();
    let limiter = Limiter::new(control.clone(), limits);
    let data = HostData::new(Wasi::new(context), limiter);
    let mut store = Store::new(&engine, data);
    store.limiter(|data| &mut data.limiter);
    let mut fuel = FuelMeter::new(control, limits.fuel);
    // Nothing of the guest's runs here; but copying its data counts too.
    fuel.give(&mut store, 0).map_err(|end| end.to_string())?;
    let instance = linker.instantiate_and_start(&mut store, &module);
    fuel.settle(&store);
    let instance = instance.map_err(|error| match store.data().limiter.refused() {
        Some(refused) => {
            format!("it needs {} {} and its limit is {}", refused.wanted, refused.unit, refused.limit)
        }
        None => error.to_string(),
    })?;
    Ok(Instance::new(store, module, instance, bytes, fuel, interrupts))
}

fn config(stack_depth: u32) -> Config {
    let depth = stack_depth.min(MAX_STACK_DEPTH) as usize;
    let mut config = Config::default();
    config
        .consume_fuel(true)
        // The whole module is validated at the start and a function translated when it is first called,
        // so that a start costs nothing for what is never used.
        .compilation_mode(CompilationMode::LazyTranslation)
        // wasmi cannot resume a guest whose fuel ends in a translation, so translating is free. It is
        // bounded by the module's size, and done once.
        .fuel_cost(CustomFuelCosts {
            bytes_copied_per_fuel: 64,
            fuel_per_bytes_translated: 0,
            fuel_per_bytes_validated: 0,
        })
        // There is none any more.
        .allow_start_fn(false)
        // Names are read from the module itself, and only when there is a trap.
        .ignore_custom_sections(true)
        .set_max_recursion_depth(depth)
        .set_max_stack_height((depth * STACK_BYTES_PER_CALL).max(1 << 16));
    config
}
