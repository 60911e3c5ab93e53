//! From a module to an instance.

use super::{
    data::HostData,
    freeing::free,
    fuel::{self, FuelMeter},
    instance::Instance,
    limiter::Limiter,
    link::link,
    module::parse,
    start::export_start,
};
use crate::{
    Discard, Limits, UnknownImports,
    account::Interrupts,
    cache::Cached,
    limits::MAX_STACK_BYTES,
    pace::Pace,
    preview1::{Context, Wasi},
    resources::FastClock,
};
use std::rc::Rc;
use wasmi::{CompilationMode, Config, CustomFuelCosts, Engine, Linker, Module, Store};

/// The least that a nested call takes of a compiled program's stack, whose size is the limit: where it returns to, and a frame
/// pointer. So many nested calls must be possible for each byte of it.
const BYTES_PER_CALL: usize = 16;
/// Parameters, locals and operands all have a place of 8 bytes for each call here, of which a compiler keeps most in registers
/// or nowhere.
const VALUE_BYTES_PER_BYTE: usize = 8;
/// So that any function can be called at all.
const MIN_VALUE_BYTES: usize = 1 << 20;

/// How a module is compiled and linked, beside what is in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Settings {
    stack_bytes: u64,
    unknown_imports: UnknownImports,
}

impl Settings {
    pub(crate) fn new(limits: &Limits, unknown_imports: UnknownImports) -> Self {
        Self { stack_bytes: limits.stack_bytes.min(MAX_STACK_BYTES), unknown_imports }
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
pub(crate) async fn compile(bytes: &[u8], settings: Settings, pace: &mut Pace) -> Result<Compiled, String> {
    let engine = Engine::new(&config(settings.stack_bytes));
    let bytes = export_start(bytes, pace).await;
    let module = parse(&engine, &bytes, pace).await?;
    let linker = link(&engine, &module, settings.unknown_imports)?;
    Ok(Compiled { engine, module, linker })
}

/// The means that an instance's host has for it.
pub(crate) struct Means {
    /// Its own clock.
    pub(crate) clock: Option<FastClock>,
    pub(crate) discard: Option<Discard>,
}

/// Makes an instance of a module. The error says what is missing.
pub(crate) async fn instantiate(
    module: Rc<Cached<Compiled>>,
    context: Context,
    limits: &Limits,
    interrupts: Interrupts,
    means: Means,
    pace: &mut Pace,
) -> Result<Instance, String> {
    let compiled = &module.compiled;
    let control = interrupts.control();
    let limiter = Limiter::new(control.clone(), limits);
    let meter = FuelMeter::new(control, limits.fuel, means.clock.clone());
    let data = HostData::new(Wasi::new(context), meter, limiter);
    let mut store = Box::new(Store::new(&compiled.engine, data));
    store.limiter(|data| &mut data.limiter);
    // Nothing of the guest's runs here; but copying its data counts too.
    fuel::give(&mut store, 0).map_err(|end| end.to_string())?;
    let pause = async |work| pace.spend(work).await;
    let instance = compiled.linker.instantiate_with_pauses(&mut *store, &compiled.module, pause).await;
    fuel::settle(&mut store);
    fuel::meter(&mut store);
    match instance {
        Ok(instance) => Ok(Instance::new(store, module, instance, interrupts, means)),
        Err(error) => {
            let reason = match store.data().limiter.refused() {
                Some(refused) => refused.to_string(),
                None => error.to_string(),
            };
            // Much data may have been copied by then.
            free(&mut store, means.discard, pace).await;
            Err(reason)
        }
    }
}

fn config(stack_bytes: u64) -> Config {
    // Bounded, and `usize` has 64 bits wherever this runs.
    let stack_bytes = stack_bytes as usize;
    let mut config = Config::default();
    config
        .consume_fuel(true)
        // The whole module is validated at the start and a function translated when it is first called,
        // so that a start costs nothing for what is never used.
        .compilation_mode(CompilationMode::LazyTranslation)
        // Translating is free, since it is done once for all instances of a module, and bounded by the module's size. A
        // guest pauses in it as in everything else that takes long.
        .fuel_cost(CustomFuelCosts {
            bytes_copied_per_fuel: 64,
            fuel_per_bytes_translated: 0,
            fuel_per_bytes_validated: 0,
        })
        // There is none any more.
        .allow_start_fn(false)
        // Names are read from the module itself, and only when there is a trap.
        .ignore_custom_sections(true)
        .wasm_wide_arithmetic(true)
        .set_max_recursion_depth((stack_bytes / BYTES_PER_CALL).max(1))
        .set_max_stack_height((stack_bytes * VALUE_BYTES_PER_BYTE).max(MIN_VALUE_BYTES));
    config
}
