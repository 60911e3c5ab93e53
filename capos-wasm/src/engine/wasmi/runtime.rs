//! From a module to an instance.

use super::{
    data::HostData, fuel::FuelMeter, instance::Instance, limiter::Limiter, link::link, module::parse,
    start::export_start,
};
use crate::{
    Limits, UnknownImports,
    cache::Cached,
    instance::Interrupts,
    limits::MAX_STACK_DEPTH,
    wasi::{Context, Wasi},
};
use std::rc::Rc;
use wasmi::{CompilationMode, Config, CustomFuelCosts, Engine, Linker, Module, Store};

/// Room for each nested call's parameters, locals and operands, on average.
const STACK_BYTES_PER_CALL: usize = 1024;

/// How a module is compiled and linked, beside what is in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Settings {
    stack_depth: u32,
    unknown_imports: UnknownImports,
}

impl Settings {
    pub(crate) fn new(limits: &Limits, unknown_imports: UnknownImports) -> Self {
        Self { stack_depth: limits.stack_depth.min(MAX_STACK_DEPTH), unknown_imports }
    }
}

/// A module that instances can be made of: read, validated, and its imports found.
pub(crate) struct Compiled {
    engine: Engine,
    module: Module,
    linker: Linker<HostData>,
}

impl Compiled {
    pub(super) fn module(&self) -> &Module {
        &self.module
    }
}

/// Compiles a module. The error says what is wrong with it.
///
/// Each module has an engine of its own, which all its instances share: wasmi never frees code while its engine
/// lives, so that compiling modules for ever on one engine would use up the host's memory. What a function is
/// translated to when it is first called is there for every later instance.
pub(crate) fn compile(bytes: &[u8], settings: Settings) -> Result<Compiled, String> {
    let engine = Engine::new(&config(settings.stack_depth));
    let module = parse(&engine, &export_start(bytes))?;
    let linker = link(&engine, &module, settings.unknown_imports)?;
    Ok(Compiled { engine, module, linker })
}

/// Makes an instance of a module. The error says what is missing.
pub(crate) fn instantiate(
    module: Rc<Cached<Compiled>>,
    context: Context,
    limits: &Limits,
    interrupts: Interrupts,
) -> Result<Instance, String> {
    let compiled = &module.compiled;
    let control = interrupts.control();
    let limiter = Limiter::new(control.clone(), limits);
    let data = HostData::new(Wasi::new(context), limiter);
    let mut store = Store::new(&compiled.engine, data);
    store.limiter(|data| &mut data.limiter);
    let mut fuel = FuelMeter::new(control, limits.fuel);
    // Nothing of the guest's runs here; but copying its data counts too.
    fuel.give(&mut store, 0).map_err(|end| end.to_string())?;
    let instance = compiled.linker.instantiate_and_start(&mut store, &compiled.module);
    fuel.settle(&mut store);
    let instance = instance.map_err(|error| match store.data().limiter.refused() {
        Some(refused) => {
            format!("it needs {} {} and its limit is {}", refused.wanted, refused.unit, refused.limit)
        }
        None => error.to_string(),
    })?;
    Ok(Instance::new(store, module, instance, fuel, interrupts))
}

fn config(stack_depth: u32) -> Config {
    let depth = stack_depth as usize;
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
