//! Compiles bytes to a module ready for instantiation.

use super::{config::config, data::HostData, link::link, validate::validate};
use crate::{
    engine::{Engine, Host, Module, Settings, early::check_length, proposals::explain, start::export_start},
    pace::{Pace, STOPPED},
};
use futures::future::LocalBoxFuture;
use wasmtime::{InstancePre, Linker};

/// The name in messages.
const NAME: &str = "wasmtime";

/// The engine.
pub(in crate::engine) struct Wasmtime;

/// A compiled module with its resolved imports.
pub(super) struct Compiled<H: Host> {
    pub(super) instance: InstancePre<HostData<H>>,
}

impl<H: Host> Compiled<H> {
    pub(super) fn module(&self) -> &wasmtime::Module {
        self.instance.module()
    }
}

impl<H: Host> Engine<H> for Wasmtime {
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

/// Each module has its own engine, since the limit of the stack is the engine's. wasmtime validates and compiles the
/// whole module at once, so other tasks wait.
async fn compile<H: Host>(bytes: &[u8], settings: Settings, pace: &mut Pace) -> Result<Compiled<H>, String> {
    let engine = config(settings.stack_bytes).and_then(|config| wasmtime::Engine::new(&config));
    let engine = engine.map_err(|error| format!("{error:#}"))?;
    let bytes = export_start(bytes, pace).await;
    if pace.is_stopped() {
        return Err(STOPPED.to_owned());
    }
    check_length(&bytes)?;
    if let Err(error) = validate(&bytes, pace).await {
        return Err(if pace.is_stopped() { error } else { explain(NAME, &bytes, &error) });
    }
    let module = wasmtime::Module::from_binary(&engine, &bytes);
    let module = module.map_err(|error| explain(NAME, &bytes, &format!("{error:#}")))?;
    let mut linker = Linker::new(&engine);
    link(&mut linker, &module, settings.unknown_imports, pace).await?;
    let instance = linker.instantiate_pre(&module).map_err(|error| error.to_string())?;
    Ok(Compiled { instance })
}
