//! Compiles bytes to a module ready for instantiation.

use super::{data::HostData, link::link};
use crate::{
    engine::{
        Engine, Host, Module, Settings, Urgency, early::check_length, exports::add_exports,
        proposals::explain,
    },
    pace::{Pace, STOPPED},
};
use capos_proposals::configure_interpreter;
use futures::future::LocalBoxFuture;
use wasmi::{CompilationMode, Config, CustomFuelCosts, Linker};

/// The name in messages.
const NAME: &str = "wasmi";

/// The least stack that a nested call needs in a compiled program, for the return address and a frame pointer; the
/// stack limit is given in such bytes. At least limit / 16 nested calls must therefore be possible.
const BYTES_PER_CALL: usize = 16;
/// Each parameter, local and operand takes 8 bytes for each call here; compilers keep most of them in registers
/// or eliminate them.
const VALUE_BYTES_PER_BYTE: usize = 8;
/// Enough to call any function at all.
const MIN_VALUE_BYTES: usize = 1 << 20;

/// The engine.
pub(in crate::engine) struct Wasmi;

/// A compiled module.
pub(super) struct Compiled<H: Host> {
    pub(super) engine: wasmi::Engine,
    pub(super) module: wasmi::Module,
    pub(super) linker: Linker<HostData<H>>,
}

impl<H: Host> Engine<H> for Wasmi {
    fn compile<'a>(
        &'a self,
        bytes: &'a [u8],
        settings: Settings,
        _urgency: &'a Urgency,
        pace: &'a mut Pace,
    ) -> LocalBoxFuture<'a, Result<Box<dyn Module<H>>, String>> {
        Box::pin(async move {
            let compiled: Compiled<H> = compile(bytes, settings, pace).await?;
            Ok(Box::new(compiled) as Box<dyn Module<H>>)
        })
    }

    fn name(&self) -> &'static str {
        NAME
    }
}

/// Each module has its own engine, which all its instances share: wasmi never frees code while its engine
/// exists, so compiling modules indefinitely on one engine would exhaust the host's memory. A function that was
/// translated when first called is available to every later instance.
async fn compile<H: Host>(bytes: &[u8], settings: Settings, pace: &mut Pace) -> Result<Compiled<H>, String> {
    let engine = wasmi::Engine::new(&config(settings.stack_bytes));
    let bytes = add_exports(bytes, settings.exposes_state, pace).await;
    if pace.is_stopped() {
        return Err(STOPPED.to_owned());
    }
    let module = parse(&engine, &bytes, pace).await?;
    let mut linker = Linker::new(&engine);
    let linked = link(&mut linker, &module, settings.unknown_imports, pace).await;
    let compiled = Compiled { engine, module, linker };
    match linked {
        Ok(()) => Ok(compiled),
        Err(reason) => {
            compiled.free(pace).await;
            Err(reason)
        }
    }
}

impl<H: Host> Compiled<H> {
    /// Frees it in turns.
    pub(super) async fn free(self, pace: &mut Pace) {
        let Self { engine, module, linker } = self;
        linker.free_with_pauses(pace).await;
        module.free_with_pauses(engine, pace).await;
    }
}

/// Parses and validates a module.
async fn parse(engine: &wasmi::Engine, bytes: &[u8], pace: &mut Pace) -> Result<wasmi::Module, String> {
    check_length(bytes)?;
    let control = pace.control();
    let is_stopped = || control.as_ref().is_some_and(|control| control.is_killed());
    let module = wasmi::Module::new_with_pauses(engine, bytes, pace, &is_stopped).await;
    module.map_err(|error| explain(NAME, bytes, &error.to_string()))
}

fn config(stack_bytes: u64) -> Config {
    // Limited, and `usize` has 64 bits on all supported targets.
    let stack_bytes = stack_bytes as usize;
    let mut config = Config::default();
    config
        .consume_fuel(true)
        // The whole module is validated at the start, and a function is translated when it is first called,
        // so that unused functions do not slow the start.
        .compilation_mode(CompilationMode::LazyTranslation)
        // Translating uses no fuel, since it is done once for all instances of a module and limited by the module's
        // size. A guest pauses during it as in all other long operations.
        .fuel_cost(CustomFuelCosts {
            bytes_copied_per_fuel: 64,
            fuel_per_bytes_translated: 0,
            fuel_per_bytes_validated: 0,
        })
        // The start section has been removed.
        .allow_start_fn(false)
        // Names are read from the module itself, and only after a trap.
        .ignore_custom_sections(true)
        .set_max_recursion_depth((stack_bytes / BYTES_PER_CALL).max(1))
        .set_max_stack_height((stack_bytes * VALUE_BYTES_PER_BYTE).max(MIN_VALUE_BYTES));
    configure_interpreter!(config);
    config
}

#[cfg(test)]
mod tests;
