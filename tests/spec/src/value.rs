//! Values that scripts pass and expect, in no engine's form.

use wast::{WastArg, core::HeapType, core::WastArgCore};

/// An argument of a call.
#[derive(Clone, Copy, Debug)]
pub enum Argument {
    /// Integers and the bits of floating-point numbers and vectors.
    I32(i32),
    /// See [`Self::I32`].
    I64(i64),
    /// See [`Self::I32`].
    F32(u32),
    /// See [`Self::I32`].
    F64(u64),
    /// See [`Self::I32`].
    V128(u128),
    /// A null reference.
    Null(Hierarchy),
    /// A reference of the host's, by number.
    Extern(u32),
    /// A reference of the host's among those of guests, by number.
    Host(u32),
}

/// The types of references that have no type in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hierarchy {
    /// References to functions.
    Func,
    /// References of the host's.
    Extern,
    /// References to the guest's own structures, arrays and integers.
    Any,
    /// References to exceptions.
    Exn,
}

/// A result of a call, or the value of a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Integers and the bits of floating-point numbers and vectors.
    I32(i32),
    /// See [`Self::I32`].
    I64(i64),
    /// See [`Self::I32`].
    F32(u32),
    /// See [`Self::I32`].
    F64(u64),
    /// See [`Self::I32`].
    V128(u128),
    /// A null reference.
    Null,
    /// A reference to a function.
    Func,
    /// A reference of the host's, with the number that was passed.
    Extern(Option<u32>),
    /// A reference of the host's among those of guests.
    Host(u32),
    /// An integer of 31 bits.
    I31,
    /// A reference to a structure.
    Struct,
    /// A reference to an array.
    Array,
    /// A reference to an exception.
    Exn,
}

impl Argument {
    /// Reads an argument of a script.
    pub(crate) fn read(argument: &WastArg<'_>) -> Result<Self, String> {
        match argument {
            WastArg::Core(argument) => match argument {
                WastArgCore::I32(value) => Ok(Self::I32(*value)),
                WastArgCore::I64(value) => Ok(Self::I64(*value)),
                WastArgCore::F32(value) => Ok(Self::F32(value.bits)),
                WastArgCore::F64(value) => Ok(Self::F64(value.bits)),
                WastArgCore::V128(value) => Ok(Self::V128(u128::from_le_bytes(value.to_le_bytes()))),
                WastArgCore::RefNull(heap) => hierarchy(heap).map(Self::Null),
                WastArgCore::RefExtern(number) => Ok(Self::Extern(*number)),
                WastArgCore::RefHost(number) => Ok(Self::Host(*number)),
            },
            other => Err(format!("no such argument here: {other:?}")),
        }
    }
}

fn hierarchy(heap: &HeapType<'_>) -> Result<Hierarchy, String> {
    use wast::core::AbstractHeapType::{
        Any, Array, Eq, Exn, Extern, Func, I31, NoExn, NoExtern, NoFunc, None, Struct,
    };
    match heap {
        HeapType::Abstract { ty: Func | NoFunc, .. } => Ok(Hierarchy::Func),
        HeapType::Abstract { ty: Extern | NoExtern, .. } => Ok(Hierarchy::Extern),
        HeapType::Abstract { ty: Any | Eq | I31 | Struct | Array | None, .. } => Ok(Hierarchy::Any),
        HeapType::Abstract { ty: Exn | NoExn, .. } => Ok(Hierarchy::Exn),
        other => Err(format!("no null reference of type {other:?}")),
    }
}
