//! From bytes to a module that instances can be made of.

use super::{data::HostData, link::link};
use crate::{
    engine::{Engine, Host, Module, Settings, proposals::explain, start::export_start},
    pace::Pace,
};
use futures::future::LocalBoxFuture;
use wasmi::{CompilationMode, Config, CustomFuelCosts, Linker};

/// The name in messages.
const NAME: &str = "wasmi";

/// A module may not be longer than this.
const MAX_MODULE_BYTES: usize = 256 << 20;

/// The least that a nested call takes of a compiled program's stack, whose size is the limit: where it returns to, and a frame
/// pointer. So many nested calls must be possible for each byte of it.
const BYTES_PER_CALL: usize = 16;
/// Parameters, locals and operands all have a place of 8 bytes for each call here, of which a compiler keeps most in registers
/// or nowhere.
const VALUE_BYTES_PER_BYTE: usize = 8;
/// So that any function can be called at all.
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

/// Each module has an engine of its own, which all its instances share: wasmi never frees code while its engine
/// lives, so that compiling modules for ever on one engine would use up the host's memory. What a function is
/// translated to when it is first called is there for every later instance.
async fn compile<H: Host>(bytes: &[u8], settings: Settings, pace: &mut Pace) -> Result<Compiled<H>, String> {
    let engine = wasmi::Engine::new(&config(settings.stack_bytes));
    let bytes = export_start(bytes, pace).await;
    let module = parse(&engine, &bytes, pace).await?;
    let linker = link(&engine, &module, settings.unknown_imports, pace).await?;
    Ok(Compiled { engine, module, linker })
}

/// Reads and validates a module.
async fn parse(engine: &wasmi::Engine, bytes: &[u8], pace: &mut Pace) -> Result<wasmi::Module, String> {
    if bytes.len() > MAX_MODULE_BYTES {
        return Err(format!("it is {} bytes long, more than {MAX_MODULE_BYTES}", bytes.len()));
    }
    let module = wasmi::Module::new_with_pauses(engine, bytes, async |work| pace.spend(work).await).await;
    module.map_err(|error| explain(NAME, bytes, &error.to_string()))
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

#[cfg(test)]
mod tests;
