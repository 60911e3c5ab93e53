//! The engine and its linker, shared by all instances.

use super::{
    data::HostData,
    fuel::FuelMeter,
    instance::Instance,
    limiter::Limiter,
    link::link,
    module::{check_imports, compile},
};
use crate::{
    End, Limits,
    instance::Interrupts,
    limits::MAX_STACK_DEPTH,
    wasi::{Context, Wasi},
};
use std::borrow::Cow;
use wasmi::{CompilationMode, Config, CustomFuelCosts, Engine, Linker, Store};

/// Room for each nested call's parameters, locals and operands, on average.
const STACK_BYTES_PER_CALL: usize = 1024;

/// Makes wasmi instances.
pub(crate) struct Runtime {
    /// For instances with the default stack depth, which wasmi fixes for each engine.
    default: Linked,
}

struct Linked {
    engine: Engine,
    linker: Linker<HostData>,
}

impl Linked {
    fn new(stack_depth: u32) -> Self {
        let engine = Engine::new(&config(stack_depth));
        let mut linker = Linker::new(&engine);
        if let Err(error) = link(&mut linker) {
            unreachable!("the table names every function once: {error}");
        }
        Self { engine, linker }
    }
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
        // Names are read from the module itself, and only when there is a trap.
        .ignore_custom_sections(true)
        .set_max_recursion_depth(depth)
        .set_max_stack_height((depth * STACK_BYTES_PER_CALL).max(1 << 16));
    config
}

impl Runtime {
    pub(crate) fn new() -> Self {
        Self { default: Linked::new(Limits::default().stack_depth) }
    }

    /// Compiles and instantiates a module.
    pub(crate) fn instantiate(
        &self,
        bytes: Cow<'static, [u8]>,
        module_name: &str,
        name: &str,
        context: Context,
        limits: Limits,
        interrupts: Interrupts,
    ) -> Result<Instance, End> {
        let own;
        let linked = if limits.stack_depth == Limits::default().stack_depth {
            &self.default
        } else {
            own = Linked::new(limits.stack_depth);
            &own
        };
        let failed = |reason: String| {
            End::FailedToStart(format!("instance {name:?} of module {module_name:?}: {reason}"))
        };
        let module = compile(&linked.engine, &bytes).map_err(failed)?;
        check_imports(&module).map_err(failed)?;
        let control = interrupts.control();
        let limiter = Limiter::new(control.clone(), &limits);
        let data = HostData::new(Wasi::new(context), limiter);
        let mut store = Store::new(&linked.engine, data);
        store.limiter(|data| &mut data.limiter);
        let mut fuel = FuelMeter::new(control, limits.fuel);
        fuel.give(&mut store, 0)?;
        let instance = linked.linker.instantiate_and_start(&mut store, &module);
        fuel.settle(&store);
        let instance = instance.map_err(|error| match store.data().limiter.refused() {
            Some(refused) => failed(format!(
                "it needs {} {} and its limit is {}",
                refused.wanted, refused.unit, refused.limit
            )),
            None => failed(error.to_string()),
        })?;
        Ok(Instance::new(store, module, instance, bytes, fuel, interrupts))
    }
}
