//! Checks that a module is valid, and uses only what the engine supports.

use std::panic::resume_unwind;
use std::thread;

use capos_proposals::{Proposal, flag};
use wasmparser_263::{
    FuncToValidate, FunctionBody, Parser, ValidPayload, Validator, ValidatorResources, WasmFeatures,
};

use super::bounds::{Beyond, check_count, check_expressions, check_names, validate_function};
use super::module::Module;
use super::proposals::State;
use super::sections::cut_off;

/// The features of the interpreter and of generated code that are no proposals to switch. `GC_TYPES` only lets the validator
/// represent references of all types.
const ALWAYS: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::BULK_MEMORY_OPT)
    .union(WasmFeatures::CALL_INDIRECT_OVERLONG)
    .union(WasmFeatures::GC_TYPES);

/// The features that rewriting removes.
const REWRITTEN: WasmFeatures =
    WasmFeatures::EXCEPTIONS.union(WasmFeatures::LEGACY_EXCEPTIONS).union(WasmFeatures::THREADS);

/// Less code than this does not justify a thread.
const CODE_FOR_A_THREAD: usize = 64 << 10;

/// A module's form, and so what it may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Unmodified.
    Original,
    /// As passed to the interpreter.
    Rewritten,
    /// As passed to the compiler.
    Compiled,
}

/// The reason why the engine would refuse a module, if any.
pub fn refusal(module: &[u8], form: Form) -> Option<String> {
    let features = features(form);
    let error = match validate(module, features) {
        Ok(None) => return None,
        Ok(Some(Beyond { offset, reason })) => {
            return Some(format!("not a valid module: {reason} (at offset {offset:#x})"));
        }
        Err(error) => error,
    };
    if let Err(error) = validate(module, WasmFeatures::all()) {
        let reason = cut_off(module).unwrap_or_else(|| error.to_string());
        return Some(format!("not a valid module: {reason}"));
    }
    let proposals = Module::read(module).proposals.into_iter();
    let refused: Vec<_> =
        proposals.filter(|proposal| !proposal.state().runs(form == Form::Compiled)).collect();
    let names: Vec<_> = refused.iter().map(|proposal| proposal.name()).collect();
    let what = if names.is_empty() { "what it".to_owned() } else { names.join(", ") };
    let elsewhere = match refused.iter().all(|proposal| proposal.state() == State::Compiled) {
        _ if refused.is_empty() => "",
        true => "; `engine: \"compiler\"` (--engine=compiler) runs it",
        false => "; no engine here is to run it yet",
    };
    let engine = if form == Form::Compiled { "wasmtime" } else { "wasmi" };
    Some(format!("it uses {what}, not supported by this engine ({engine}){elsewhere}: {error}"))
}

fn features(form: Form) -> WasmFeatures {
    let mut features = ALWAYS;
    for (proposal, on) in Proposal::ALL {
        let is_on = if form == Form::Compiled { on.compiled() } else { on.interpreted() };
        features.set(flag!(WasmFeatures, proposal), is_on);
    }
    match form {
        Form::Original => features.union(REWRITTEN),
        Form::Rewritten | Form::Compiled => features,
    }
}

/// Validates the whole module, functions on all processors. Returns a valid item that is beyond a bound of the
/// engine.
fn validate(module: &[u8], features: WasmFeatures) -> wasmparser_263::Result<Option<Beyond>> {
    let mut validator = Validator::new_with_features(features);
    let mut functions = Vec::new();
    let mut parser = Parser::new(0);
    parser.set_features(features);
    for payload in parser.parse_all(module) {
        let payload = payload?;
        let early = check_count(&payload).map_or_else(|| check_names(&payload), |beyond| Ok(Some(beyond)))?;
        if let Some(beyond) = early {
            return Ok(Some(beyond));
        }
        if let ValidPayload::Func(function, body) = validator.payload(&payload)? {
            functions.push((function, body));
        }
        if let Some(beyond) = check_expressions(&payload)? {
            return Ok(Some(beyond));
        }
    }
    let code: usize = functions.iter().map(|(_, body)| body.as_bytes().len()).sum();
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let threads = (code / CODE_FOR_A_THREAD).clamp(1, processors);
    thread::scope(|scope| {
        let running: Vec<_> =
            dealt(functions, threads).map(|part| scope.spawn(|| validate_each(part))).collect();
        let results =
            running.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        // The first in the module, whichever thread found it.
        let found = results.filter_map(Result::transpose).min_by_key(|found| match found {
            Ok(beyond) => beyond.offset,
            Err(error) => error.offset(),
        });
        found.transpose()
    })
}

type Function<'a> = (FuncToValidate<ValidatorResources>, FunctionBody<'a>);

/// Distributes functions to this many threads in turn, so that each has large and small ones.
fn dealt(functions: Vec<Function<'_>>, threads: usize) -> impl Iterator<Item = Vec<Function<'_>>> {
    let mut parts: Vec<Vec<_>> = (0..threads).map(|_| Vec::new()).collect();
    for (index, function) in functions.into_iter().enumerate() {
        if let Some(part) = parts.get_mut(index % threads) {
            part.push(function);
        }
    }
    parts.into_iter()
}

fn validate_each(functions: Vec<Function<'_>>) -> wasmparser_263::Result<Option<Beyond>> {
    let mut allocations = Default::default();
    for (function, body) in functions {
        let mut validator = function.into_validator(allocations);
        if let Some(beyond) = validate_function(&mut validator, &body)? {
            return Ok(Some(beyond));
        }
        allocations = validator.into_allocations();
    }
    Ok(None)
}
