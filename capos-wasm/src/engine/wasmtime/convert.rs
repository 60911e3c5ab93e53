//! Converts values, types and errors between wasmtime and the engine interface.

use crate::{
    Value, ValueType,
    engine::{
        Returned, Signature,
        imports::ImportKind,
        interface::{Cause, Failure},
        values::Type,
    },
};
use wasmtime::{Error, ExternType, FuncType, RefType, ThrownException, Trap, Val, ValType};

pub(super) fn to_val(value: Value) -> Val {
    match value {
        Value::I32(value) => Val::I32(value),
        Value::I64(value) => Val::I64(value),
        Value::F32(value) => Val::F32(value.to_bits()),
        Value::F64(value) => Val::F64(value.to_bits()),
    }
}

pub(super) fn returned(value: &Val) -> Returned {
    let reference = |name, is_null| Returned::Reference { name, is_null };
    match value {
        Val::I32(value) => Returned::Value(Value::I32(*value)),
        Val::I64(value) => Returned::Value(Value::I64(*value)),
        Val::F32(bits) => Returned::Value(Value::F32(f32::from_bits(*bits))),
        Val::F64(bits) => Returned::Value(Value::F64(f64::from_bits(*bits))),
        Val::V128(value) => Returned::V128(value.as_u128()),
        Val::FuncRef(function) => reference("funcref", function.is_none()),
        Val::ExternRef(object) => reference("externref", object.is_none()),
        Val::AnyRef(object) => reference("anyref", object.is_none()),
        Val::ExnRef(exception) => reference("exnref", exception.is_none()),
        Val::ContRef(continuation) => reference("contref", continuation.is_none()),
    }
}

fn ty(ty: ValType) -> Type {
    match ty {
        ValType::I32 => Type::Value(ValueType::I32),
        ValType::I64 => Type::Value(ValueType::I64),
        ValType::F32 => Type::Value(ValueType::F32),
        ValType::F64 => Type::Value(ValueType::F64),
        ValType::V128 => Type::Other("v128".to_owned()),
        ValType::Ref(ty) if RefType::eq(&ty, &RefType::FUNCREF) => Type::Other("funcref".to_owned()),
        ValType::Ref(ty) if RefType::eq(&ty, &RefType::EXTERNREF) => Type::Other("externref".to_owned()),
        ValType::Ref(ty) => Type::Other(ty.to_string()),
    }
}

pub(super) fn signature(function: &FuncType) -> Signature {
    Signature { params: function.params().map(ty).collect(), results: function.results().map(ty).collect() }
}

/// `None` is the tag of an exception.
pub(super) fn import_kind(ty: &ExternType) -> Option<ImportKind> {
    match ty {
        ExternType::Func(ty) => Some(ImportKind::Function(signature(ty))),
        ExternType::Global(_) => Some(ImportKind::Global),
        ExternType::Memory(_) => Some(ImportKind::Memory),
        ExternType::Table(_) => Some(ImportKind::Table),
        ExternType::Tag(_) => None,
    }
}

/// A trap in the terms of the engine interface; other errors keep their text.
pub(super) fn failure(error: &Error) -> Failure {
    if error.is::<ThrownException>() {
        // In the words of modules that are rewritten to run without exceptions.
        return Failure { cause: Cause::Other, message: "uncaught exception".to_owned() };
    }
    let Some(trap) = error.downcast_ref::<Trap>() else {
        return Failure { cause: Cause::Other, message: error.to_string() };
    };
    let cause = match trap {
        Trap::UnreachableCodeReached => Cause::Unreachable,
        Trap::StackOverflow => Cause::StackOverflow,
        _ => Cause::Other,
    };
    let message = trap.to_string();
    Failure { cause, message: message.strip_prefix("wasm trap: ").unwrap_or(&message).to_owned() }
}
