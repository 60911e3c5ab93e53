//! Runs the compiler.

use wasmtime::wasmparser::BinaryReaderError;
use wasmtime::{Engine, Error};

use crate::arguments::Arguments;
use crate::job::Job;
use crate::progress;

/// The artifact of `module`, as wasmtime serializes it, or the reason why there is none.
pub(crate) fn compile(job: &Job, module: &[u8], arguments: Arguments) -> Result<Vec<u8>, String> {
    let engine = capos_codegen::config(arguments.settings).and_then(|mut config| {
        // Modules have no use for it.
        config.wasm_component_model(arguments.is_component);
        Engine::new(&config)
    });
    let engine = engine.map_err(|error| format!("the settings do not fit this machine: {error:#}"))?;
    progress::report(job.clone(), module);
    let compiled = match arguments.is_component {
        true => engine.precompile_component(module),
        false => engine.precompile_module(module),
    };
    compiled.map_err(|error| reason(&error, arguments.is_component))
}

fn reason(error: &Error, is_component: bool) -> String {
    let kind = if is_component { "component" } else { "module" };
    match error.chain().any(|cause| cause.is::<BinaryReaderError>()) {
        true => format!("the {kind} is invalid: {error:#}"),
        false => format!("the {kind} cannot be compiled: {error:#}"),
    }
}
