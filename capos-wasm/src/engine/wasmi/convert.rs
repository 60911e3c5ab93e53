//! Converts values, types and errors between wasmi and the engine interface.

use crate::{
    Value, ValueType,
    engine::{Returned, Signature, imports::ImportKind, interface::Cause, values::Type},
};
use wasmi::{ExternType, FuncType, TrapCode, Val, ValType};

pub(super) fn to_val(value: Value) -> Val {
    match value {
        Value::I32(value) => Val::I32(value),
        Value::I64(value) => Val::I64(value),
        Value::F32(value) => Val::F32(value.into()),
        Value::F64(value) => Val::F64(value.into()),
    }
}

pub(super) fn returned(value: &Val) -> Returned {
    match value {
        Val::I32(value) => Returned::Value(Value::I32(*value)),
        Val::I64(value) => Returned::Value(Value::I64(*value)),
        Val::F32(value) => Returned::Value(Value::F32((*value).into())),
        Val::F64(value) => Returned::Value(Value::F64((*value).into())),
        Val::V128(value) => Returned::V128(value.as_u128()),
        Val::FuncRef(reference) => Returned::Reference { name: "funcref", is_null: reference.is_null() },
        Val::ExternRef(reference) => Returned::Reference { name: "externref", is_null: reference.is_null() },
    }
}

fn ty(ty: ValType) -> Type {
    match ty {
        ValType::I32 => Type::Value(ValueType::I32),
        ValType::I64 => Type::Value(ValueType::I64),
        ValType::F32 => Type::Value(ValueType::F32),
        ValType::F64 => Type::Value(ValueType::F64),
        other => Type::Other(format!("{other:?}").to_lowercase()),
    }
}

pub(super) fn signature(function: &FuncType) -> Signature {
    let types = |types: &[ValType]| types.iter().copied().map(ty).collect();
    Signature { params: types(function.params()), results: types(function.results()) }
}

pub(super) fn import_kind(ty: &ExternType) -> ImportKind {
    match ty {
        ExternType::Func(ty) => ImportKind::Function(signature(ty)),
        ExternType::Global(_) => ImportKind::Global,
        ExternType::Memory(_) => ImportKind::Memory,
        ExternType::Table(_) => ImportKind::Table,
    }
}

pub(super) fn cause(code: Option<TrapCode>) -> Cause {
    match code {
        Some(TrapCode::UnreachableCodeReached) => Cause::Unreachable,
        Some(TrapCode::StackOverflow) => Cause::StackOverflow,
        _ => Cause::Other,
    }
}
