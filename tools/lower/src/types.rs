//! Types and instructions in the rewritten module: an `exnref` is an `i64`.

use anyhow::{Error as Problem, anyhow};
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{Instruction, RefType, ValType};
use wasmparser_263 as read;
use wasmparser_263::{AbstractHeapType, HeapType, Operator};

use crate::lowered::Lowered;

/// Whether this is the type of exceptions.
pub(crate) fn is_exception(ty: HeapType) -> bool {
    matches!(ty, HeapType::Abstract { ty: AbstractHeapType::Exn | AbstractHeapType::NoExn, .. })
}

/// Whether a value of this type is a reference to an exception.
pub(crate) fn is_exception_reference(ty: read::ValType) -> bool {
    ty.as_reference_type().is_some_and(|reference| is_exception(reference.heap_type()))
}

/// Copies everything that needs no other change.
#[derive(Debug, Default)]
pub(crate) struct Types;

impl Reencode for Types {
    type Error = Problem;

    fn val_type(&mut self, ty: read::ValType) -> Lowered<ValType> {
        if is_exception_reference(ty) { Ok(ValType::I64) } else { utils::val_type(self, ty) }
    }

    /// Called for types other than values: elements of tables.
    fn ref_type(&mut self, ty: read::RefType) -> Lowered<RefType> {
        if is_exception(ty.heap_type()) {
            let problem = anyhow!(
                "it stores references to exceptions in a table; only locals and globals are supported"
            );
            return Err(Error::UserError(problem));
        }
        utils::ref_type(self, ty)
    }

    /// For constant expressions; in function bodies this is handled earlier.
    fn instruction<'a>(&mut self, operator: Operator<'a>) -> Lowered<Instruction<'a>> {
        match operator {
            Operator::RefNull { hty } if is_exception(hty) => Ok(Instruction::I64Const(0)),
            other => utils::instruction(self, other),
        }
    }

    fn memory_type(&mut self, ty: read::MemoryType) -> Lowered<wasm_encoder::MemoryType> {
        Ok(utils::memory_type(self, read::MemoryType { shared: false, ..ty }))
    }
}
