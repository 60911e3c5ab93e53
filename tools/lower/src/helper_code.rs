//! The types and bodies of the functions that are added to a module.

use anyhow::anyhow;
use wasm_encoder::reencode::Error;
use wasm_encoder::{BlockType, Function, InstructionSink, ValType};

use crate::helpers::{Helper, Reason, tag_bits, tag_number};
use crate::lowered::Lowered;
use crate::records::Packed;
use crate::runtime::Runtime;

impl Helper {
    /// The index of its type.
    pub(crate) fn type_index(self, runtime: &mut Runtime) -> Lowered<u32> {
        let (parameters, results) = match self {
            Self::Throw(ty) => (runtime.parameters(ty)?, vec![]),
            Self::Take(ty) => (vec![], runtime.parameters(ty)?),
            Self::Keep(_) => (vec![], vec![ValType::I32]),
            Self::Load(_) => (vec![ValType::I32], vec![]),
            Self::TakeReference => (vec![], vec![ValType::I64]),
            Self::ThrowReference => (vec![ValType::I64], vec![]),
            Self::NonNull => (vec![ValType::I64], vec![ValType::I64]),
            Self::Allocate => (vec![], vec![ValType::I32]),
            Self::Zeros(ty) => (vec![], runtime.results(ty)?),
            Self::Entry(function) => return runtime.facts.type_of(function),
            Self::End(_) => (vec![], vec![]),
        };
        Ok(runtime.function_type(parameters, results))
    }

    /// Its body; may ask for further helpers.
    pub(crate) fn body(self, runtime: &mut Runtime) -> Lowered<Function> {
        let locals = match self {
            Self::Keep(_) => vec![(1, ValType::I32)],
            _ => vec![],
        };
        let mut function = Function::new(locals);
        let mut code = function.instructions();
        match self {
            Self::Throw(ty) => {
                let slots = runtime.payload.slots(ty);
                for (local, _) in (0..).zip(slots) {
                    code.local_get(local);
                }
                for slot in slots.iter().rev() {
                    code.global_set(slot.global);
                }
            }
            Self::Take(ty) => {
                code.i32_const(0).global_set(runtime.tag_global());
                for slot in runtime.payload.slots(ty) {
                    code.global_get(slot.global);
                    if slot.is_non_null() {
                        code.ref_as_non_null();
                    }
                }
            }
            Self::Keep(ty) => keep(runtime, &mut code, ty),
            Self::Load(ty) => load(runtime, &mut code, ty),
            Self::TakeReference => take_reference(runtime, &mut code),
            Self::ThrowReference => throw_reference(runtime, &mut code),
            Self::NonNull => {
                let end = runtime.helper(Self::End(Reason::NullReference));
                code.local_get(0).i64_eqz().if_(BlockType::Empty).call(end).end().local_get(0);
            }
            Self::Allocate => {
                let end = runtime.helper(Self::End(Reason::NoRoom));
                runtime.records.allocate(&mut code, runtime.top_global(), end);
            }
            Self::Zeros(ty) => {
                for ty in runtime.results(ty)? {
                    zero(&mut code, ty)?;
                }
            }
            Self::Entry(entry) => {
                let parameters = runtime.facts.function_type(runtime.facts.type_of(entry)?)?.params().len();
                for parameter in 0..parameters {
                    code.local_get(parameter as u32);
                }
                let end = runtime.helper(Self::End(Reason::UncaughtException));
                code.call(entry).global_get(runtime.tag_global()).if_(BlockType::Empty).call(end).end();
            }
            Self::End(_) => {
                code.unreachable();
            }
        }
        code.end();
        Ok(function)
    }
}

fn keep(runtime: &mut Runtime, code: &mut InstructionSink<'_>, ty: u32) {
    match Packed::of(runtime.payload.slots(ty)) {
        Packed::Nothing => code.i32_const(0),
        Packed::Integer(slot) => code.global_get(slot.global),
        Packed::Float(slot) => code.global_get(slot.global).i32_reinterpret_f32(),
        Packed::Record => {
            let allocate = runtime.helper(Helper::Allocate);
            code.call(allocate).local_set(0);
            runtime.records.store(code, runtime.payload.slots(ty), 0);
            code.local_get(0)
        }
    };
}

fn load(runtime: &Runtime, code: &mut InstructionSink<'_>, ty: u32) {
    let slots = runtime.payload.slots(ty);
    match Packed::of(slots) {
        Packed::Nothing => {}
        Packed::Integer(slot) => {
            code.local_get(0).global_set(slot.global);
        }
        Packed::Float(slot) => {
            code.local_get(0).f32_reinterpret_i32().global_set(slot.global);
        }
        Packed::Record => runtime.records.load(code, slots, 0),
    }
}

/// Adds a comparison with each tag, and the given code for a match.
fn by_tag(
    runtime: &mut Runtime,
    code: &mut InstructionSink<'_>,
    mut apply: impl FnMut(&mut Runtime, &mut InstructionSink<'_>, u32, u32),
) {
    let global = runtime.tag_global();
    for (tag, ty) in (0..).zip(runtime.facts.tags.clone()) {
        code.global_get(global).i32_const(tag_number(tag)).i32_eq().if_(BlockType::Empty);
        apply(runtime, code, tag, ty);
        code.return_().end();
    }
}

fn take_reference(runtime: &mut Runtime, code: &mut InstructionSink<'_>) {
    let global = runtime.tag_global();
    by_tag(runtime, code, |runtime, code, tag, ty| {
        let keep = runtime.helper(Helper::Keep(ty));
        code.call(keep).i64_extend_i32_u().i64_const(tag_bits(tag)).i64_or();
        code.i32_const(0).global_set(global);
    });
    code.unreachable();
}

fn throw_reference(runtime: &mut Runtime, code: &mut InstructionSink<'_>) {
    let non_null = runtime.helper(Helper::NonNull);
    code.local_get(0).call(non_null).i64_const(32).i64_shr_u().i32_wrap_i64();
    code.global_set(runtime.tag_global());
    by_tag(runtime, code, |runtime, code, _, ty| {
        let load = runtime.helper(Helper::Load(ty));
        code.local_get(0).i32_wrap_i64().call(load);
    });
    code.unreachable();
}

/// The zero value of a type, returned by a function that an exception leaves.
pub(crate) fn zero(code: &mut InstructionSink<'_>, ty: ValType) -> Lowered {
    match ty {
        ValType::I32 => code.i32_const(0),
        ValType::I64 => code.i64_const(0),
        ValType::F32 => code.f32_const(0.0.into()),
        ValType::F64 => code.f64_const(0.0.into()),
        ValType::V128 => code.v128_const(0),
        ValType::Ref(reference) if reference.nullable => code.ref_null(reference.heap_type),
        ValType::Ref(_) => {
            let problem = anyhow!("a function that throws returns a reference that cannot be null");
            return Err(Error::UserError(problem));
        }
    };
    Ok(())
}
