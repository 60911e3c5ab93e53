//! Checks on a module before it is instantiated.

use super::proposals::explain;
use crate::{
    ValueType,
    pace::Pace,
    preview1::{self, Snapshot},
};
use wasmi::{Engine, ExternType, FuncType, ImportType, Module, ValType};

/// A module may not be longer than this.
const MAX_MODULE_BYTES: usize = 256 << 20;

/// Reads and validates a module.
pub(super) async fn parse(engine: &Engine, bytes: &[u8], pace: &mut Pace) -> Result<Module, String> {
    if bytes.len() > MAX_MODULE_BYTES {
        return Err(format!("it is {} bytes long, more than {MAX_MODULE_BYTES}", bytes.len()));
    }
    let module = Module::new_with_pauses(engine, bytes, async |work| pace.spend(work).await).await;
    module.map_err(|error| explain(bytes, &error.to_string()))
}

/// The function of Preview 1, of either snapshot, that has an import's name.
fn function(module: &str, name: &str) -> Option<&'static preview1::Function> {
    Snapshot::of_module(module)?.function(name)
}

/// Whether a function of Preview 1 has the import's name.
pub(super) fn is_known(import: &ImportType<'_>) -> bool {
    function(import.module(), import.name()).is_some()
}

/// Starts a thread, in programs that are built for them.
pub(super) const SPAWN: (&str, &str) = ("wasi", "thread-spawn");

/// Whether the import is [`SPAWN`].
pub(super) fn is_spawn(module: &str, name: &str) -> bool {
    (module, name) == SPAWN
}

/// Says that no function of Preview 1 has this name, if so.
pub(super) fn unknown_function(module: &str, name: &str) -> Option<String> {
    if function(module, name).is_some() {
        return None;
    }
    let why = if is_spawn(module, name) { ": it starts threads, and a program has one here" } else { "" };
    Some(format!("unknown import {name:?} of {module:?}{why}"))
}

/// Says that something other than a function cannot be imported.
pub(super) fn not_a_function(module: &str, name: &str, kind: &str) -> String {
    // Which rewriting makes the module's own.
    let also = if kind == "memory" { ", and one shared memory to a module of the boot package" } else { "" };
    format!("it imports the {kind} {name:?} of {module:?}; only functions are provided here{also}")
}

/// An import must be a function of Preview 1, with its signature.
pub(super) fn check_import(import: &ImportType<'_>) -> Result<(), String> {
    let (module, name) = (import.module(), import.name());
    let actual = match import.ty() {
        ExternType::Func(actual) => actual,
        ExternType::Global(_) => return Err(not_a_function(module, name, "global")),
        ExternType::Memory(_) => return Err(not_a_function(module, name, "memory")),
        ExternType::Table(_) => return Err(not_a_function(module, name, "table")),
    };
    if let Some(unknown) = unknown_function(module, name) {
        return Err(unknown);
    }
    let Some(known) = function(module, name) else { return Ok(()) };
    if !same(actual.params(), known.params) || !same(actual.results(), known.results) {
        let wanted = signature(known.params, known.results);
        return Err(format!("import {name:?} of {module:?} is {}, not {wanted}", signature_of(actual)));
    }
    Ok(())
}

/// The type as callers know it; `None` for references and vectors, which they cannot pass.
pub(super) fn value_type(ty: ValType) -> Option<ValueType> {
    match ty {
        ValType::I32 => Some(ValueType::I32),
        ValType::I64 => Some(ValueType::I64),
        ValType::F32 => Some(ValueType::F32),
        ValType::F64 => Some(ValueType::F64),
        _ => None,
    }
}

fn same(actual: &[ValType], known: &[ValueType]) -> bool {
    actual.iter().map(|&ty| value_type(ty)).eq(known.iter().copied().map(Some))
}

fn signature(params: &[ValueType], results: &[ValueType]) -> String {
    let join = |types: &[ValueType]| types.iter().map(ValueType::to_string).collect::<Vec<_>>().join(", ");
    format!("({}) -> ({})", join(params), join(results))
}

fn signature_of(ty: &FuncType) -> String {
    let join = |types: &[ValType]| {
        let name = |&ty: &ValType| match value_type(ty) {
            Some(ty) => ty.to_string(),
            None => format!("{ty:?}").to_lowercase(),
        };
        types.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    format!("({}) -> ({})", join(ty.params()), join(ty.results()))
}
