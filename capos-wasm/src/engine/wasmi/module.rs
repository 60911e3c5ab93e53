//! Checks on a module before it is instantiated.

use crate::{ValueType, wasi};
use wasmi::{Engine, ExternType, FuncType, ImportType, Module, ValType};

/// A module may not be longer than this.
const MAX_MODULE_BYTES: usize = 256 << 20;

/// Reads and validates a module.
pub(super) fn parse(engine: &Engine, bytes: &[u8]) -> Result<Module, String> {
    if bytes.len() > MAX_MODULE_BYTES {
        return Err(format!("it is {} bytes long, more than {MAX_MODULE_BYTES}", bytes.len()));
    }
    Module::new(engine, bytes).map_err(|error| format!("not a valid module: {error}"))
}

/// Whether a function of Preview 1 has the import's name.
pub(super) fn is_known(import: &ImportType<'_>) -> bool {
    import.module() == wasi::MODULE && wasi::function(import.name()).is_some()
}

/// An import must be a function of Preview 1, with its signature.
pub(super) fn check_import(import: &ImportType<'_>) -> Result<(), String> {
    let name = format_args!("{:?} of {:?}", import.name(), import.module());
    let known = wasi::function(import.name()).filter(|_| import.module() == wasi::MODULE);
    let (Some(known), ExternType::Func(actual)) = (known, import.ty()) else {
        return Err(format!("unknown import {name}"));
    };
    if !same(actual.params(), known.params) || !same(actual.results(), known.results) {
        let wanted = signature(known.params, known.results);
        return Err(format!("import {name} is {}, not {wanted}", signature_of(actual)));
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
