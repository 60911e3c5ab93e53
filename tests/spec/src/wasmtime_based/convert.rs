//! Values, and the reasons of failures.

use crate::{Argument, Failure, Reason, Value, value::Hierarchy};
use wasmtime::{AnyRef, Error, ExternRef, Result, Store, ThrownException, Trap, Val};

pub(super) fn argument(store: &mut Store<()>, argument: Argument) -> Result<Val> {
    Ok(match argument {
        Argument::I32(value) => Val::I32(value),
        Argument::I64(value) => Val::I64(value),
        Argument::F32(bits) => Val::F32(bits),
        Argument::F64(bits) => Val::F64(bits),
        Argument::V128(bits) => Val::V128(bits.into()),
        Argument::Null(Hierarchy::Func) => Val::FuncRef(None),
        Argument::Null(Hierarchy::Extern) => Val::ExternRef(None),
        Argument::Null(Hierarchy::Any) => Val::AnyRef(None),
        Argument::Null(Hierarchy::Exn) => Val::ExnRef(None),
        Argument::Extern(number) => Val::ExternRef(Some(ExternRef::new(store, number)?)),
        Argument::Host(number) => {
            let reference = ExternRef::new(&mut *store, number)?;
            Val::AnyRef(Some(AnyRef::convert_extern(store, reference)?))
        }
    })
}

pub(super) fn value(store: &mut Store<()>, value: &Val) -> Result<Value> {
    Ok(match value {
        Val::I32(value) => Value::I32(*value),
        Val::I64(value) => Value::I64(*value),
        Val::F32(bits) => Value::F32(*bits),
        Val::F64(bits) => Value::F64(*bits),
        Val::V128(bits) => Value::V128(bits.as_u128()),
        Val::FuncRef(None)
        | Val::ExternRef(None)
        | Val::AnyRef(None)
        | Val::ExnRef(None)
        | Val::ContRef(None) => Value::Null,
        Val::FuncRef(Some(_)) => Value::Func,
        Val::ExnRef(Some(_)) => Value::Exn,
        Val::ExternRef(Some(reference)) => {
            let number = reference.data(&*store)?.and_then(|data| data.downcast_ref::<u32>().copied());
            Value::Extern(number)
        }
        Val::AnyRef(Some(reference)) if reference.is_i31(&*store)? => Value::I31,
        Val::AnyRef(Some(reference)) if reference.is_struct(&*store)? => Value::Struct,
        Val::AnyRef(Some(reference)) if reference.is_array(&*store)? => Value::Array,
        Val::AnyRef(Some(reference)) => {
            let reference = ExternRef::convert_any(&mut *store, *reference)?;
            let number = reference.data(&*store)?.and_then(|data| data.downcast_ref::<u32>().copied());
            Value::Host(number.ok_or_else(|| Error::msg("an unknown reference"))?)
        }
        Val::ContRef(Some(_)) => return Err(Error::msg("a continuation")),
    })
}

/// The failure that an error represents, while linking or later.
pub(super) fn failure(error: &Error, is_linking: bool) -> Failure {
    if error.is::<ThrownException>() {
        return Failure::Exception;
    }
    match error.downcast_ref::<Trap>() {
        Some(trap) => Failure::Trap(reason(*trap)),
        None if is_linking => Failure::Unlinkable(format!("{error:#}")),
        None => Failure::Other(format!("{error:#}")),
    }
}

fn reason(trap: Trap) -> Reason {
    match trap {
        Trap::StackOverflow => Reason::StackExhausted,
        Trap::MemoryOutOfBounds => Reason::MemoryBounds,
        Trap::TableOutOfBounds => Reason::TableBounds,
        Trap::ArrayOutOfBounds => Reason::ArrayBounds,
        Trap::IndirectCallToNull => Reason::Uninitialized,
        Trap::BadSignature => Reason::Signature,
        Trap::IntegerOverflow => Reason::IntegerOverflow,
        Trap::IntegerDivisionByZero => Reason::DivisionByZero,
        Trap::BadConversionToInteger => Reason::Conversion,
        Trap::UnreachableCodeReached => Reason::Unreachable,
        Trap::NullReference => Reason::Null,
        Trap::CastFailure => Reason::Cast,
        _ => Reason::Other,
    }
}
