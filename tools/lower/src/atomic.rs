//! The atomic instructions: their effect, width and value type.

use wasm_encoder::ValType;
use wasmparser_263::{MemArg, Operator};

/// An instruction of the proposal on a memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Atomic {
    pub(crate) action: Action,
    /// `i32` or `i64`.
    pub(crate) ty: ValType,
    pub(crate) bytes: u32,
    pub(crate) memarg: MemArg,
}

/// The effect of an instruction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    Load,
    Store,
    Modify(Change),
    Exchange,
    CompareExchange,
    Notify,
    Wait,
}

/// The arithmetic of a read-modify-write instruction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Add,
    Sub,
    And,
    Or,
    Xor,
}

impl Atomic {
    pub(crate) fn of(operator: &Operator<'_>) -> Option<Self> {
        use Action::{CompareExchange, Exchange, Load, Modify, Notify, Store, Wait};
        use Change::{Add, And, Or, Sub, Xor};
        use ValType::{I32, I64};
        let (action, ty, bytes, memarg) = match *operator {
            Operator::I32AtomicLoad { memarg } => (Load, I32, 4, memarg),
            Operator::I64AtomicLoad { memarg } => (Load, I64, 8, memarg),
            Operator::I32AtomicLoad8U { memarg } => (Load, I32, 1, memarg),
            Operator::I32AtomicLoad16U { memarg } => (Load, I32, 2, memarg),
            Operator::I64AtomicLoad8U { memarg } => (Load, I64, 1, memarg),
            Operator::I64AtomicLoad16U { memarg } => (Load, I64, 2, memarg),
            Operator::I64AtomicLoad32U { memarg } => (Load, I64, 4, memarg),
            Operator::I32AtomicStore { memarg } => (Store, I32, 4, memarg),
            Operator::I64AtomicStore { memarg } => (Store, I64, 8, memarg),
            Operator::I32AtomicStore8 { memarg } => (Store, I32, 1, memarg),
            Operator::I32AtomicStore16 { memarg } => (Store, I32, 2, memarg),
            Operator::I64AtomicStore8 { memarg } => (Store, I64, 1, memarg),
            Operator::I64AtomicStore16 { memarg } => (Store, I64, 2, memarg),
            Operator::I64AtomicStore32 { memarg } => (Store, I64, 4, memarg),
            Operator::I32AtomicRmwAdd { memarg } => (Modify(Add), I32, 4, memarg),
            Operator::I64AtomicRmwAdd { memarg } => (Modify(Add), I64, 8, memarg),
            Operator::I32AtomicRmw8AddU { memarg } => (Modify(Add), I32, 1, memarg),
            Operator::I32AtomicRmw16AddU { memarg } => (Modify(Add), I32, 2, memarg),
            Operator::I64AtomicRmw8AddU { memarg } => (Modify(Add), I64, 1, memarg),
            Operator::I64AtomicRmw16AddU { memarg } => (Modify(Add), I64, 2, memarg),
            Operator::I64AtomicRmw32AddU { memarg } => (Modify(Add), I64, 4, memarg),
            Operator::I32AtomicRmwSub { memarg } => (Modify(Sub), I32, 4, memarg),
            Operator::I64AtomicRmwSub { memarg } => (Modify(Sub), I64, 8, memarg),
            Operator::I32AtomicRmw8SubU { memarg } => (Modify(Sub), I32, 1, memarg),
            Operator::I32AtomicRmw16SubU { memarg } => (Modify(Sub), I32, 2, memarg),
            Operator::I64AtomicRmw8SubU { memarg } => (Modify(Sub), I64, 1, memarg),
            Operator::I64AtomicRmw16SubU { memarg } => (Modify(Sub), I64, 2, memarg),
            Operator::I64AtomicRmw32SubU { memarg } => (Modify(Sub), I64, 4, memarg),
            Operator::I32AtomicRmwAnd { memarg } => (Modify(And), I32, 4, memarg),
            Operator::I64AtomicRmwAnd { memarg } => (Modify(And), I64, 8, memarg),
            Operator::I32AtomicRmw8AndU { memarg } => (Modify(And), I32, 1, memarg),
            Operator::I32AtomicRmw16AndU { memarg } => (Modify(And), I32, 2, memarg),
            Operator::I64AtomicRmw8AndU { memarg } => (Modify(And), I64, 1, memarg),
            Operator::I64AtomicRmw16AndU { memarg } => (Modify(And), I64, 2, memarg),
            Operator::I64AtomicRmw32AndU { memarg } => (Modify(And), I64, 4, memarg),
            Operator::I32AtomicRmwOr { memarg } => (Modify(Or), I32, 4, memarg),
            Operator::I64AtomicRmwOr { memarg } => (Modify(Or), I64, 8, memarg),
            Operator::I32AtomicRmw8OrU { memarg } => (Modify(Or), I32, 1, memarg),
            Operator::I32AtomicRmw16OrU { memarg } => (Modify(Or), I32, 2, memarg),
            Operator::I64AtomicRmw8OrU { memarg } => (Modify(Or), I64, 1, memarg),
            Operator::I64AtomicRmw16OrU { memarg } => (Modify(Or), I64, 2, memarg),
            Operator::I64AtomicRmw32OrU { memarg } => (Modify(Or), I64, 4, memarg),
            Operator::I32AtomicRmwXor { memarg } => (Modify(Xor), I32, 4, memarg),
            Operator::I64AtomicRmwXor { memarg } => (Modify(Xor), I64, 8, memarg),
            Operator::I32AtomicRmw8XorU { memarg } => (Modify(Xor), I32, 1, memarg),
            Operator::I32AtomicRmw16XorU { memarg } => (Modify(Xor), I32, 2, memarg),
            Operator::I64AtomicRmw8XorU { memarg } => (Modify(Xor), I64, 1, memarg),
            Operator::I64AtomicRmw16XorU { memarg } => (Modify(Xor), I64, 2, memarg),
            Operator::I64AtomicRmw32XorU { memarg } => (Modify(Xor), I64, 4, memarg),
            Operator::I32AtomicRmwXchg { memarg } => (Exchange, I32, 4, memarg),
            Operator::I64AtomicRmwXchg { memarg } => (Exchange, I64, 8, memarg),
            Operator::I32AtomicRmw8XchgU { memarg } => (Exchange, I32, 1, memarg),
            Operator::I32AtomicRmw16XchgU { memarg } => (Exchange, I32, 2, memarg),
            Operator::I64AtomicRmw8XchgU { memarg } => (Exchange, I64, 1, memarg),
            Operator::I64AtomicRmw16XchgU { memarg } => (Exchange, I64, 2, memarg),
            Operator::I64AtomicRmw32XchgU { memarg } => (Exchange, I64, 4, memarg),
            Operator::I32AtomicRmwCmpxchg { memarg } => (CompareExchange, I32, 4, memarg),
            Operator::I64AtomicRmwCmpxchg { memarg } => (CompareExchange, I64, 8, memarg),
            Operator::I32AtomicRmw8CmpxchgU { memarg } => (CompareExchange, I32, 1, memarg),
            Operator::I32AtomicRmw16CmpxchgU { memarg } => (CompareExchange, I32, 2, memarg),
            Operator::I64AtomicRmw8CmpxchgU { memarg } => (CompareExchange, I64, 1, memarg),
            Operator::I64AtomicRmw16CmpxchgU { memarg } => (CompareExchange, I64, 2, memarg),
            Operator::I64AtomicRmw32CmpxchgU { memarg } => (CompareExchange, I64, 4, memarg),
            Operator::MemoryAtomicNotify { memarg } => (Notify, I32, 4, memarg),
            Operator::MemoryAtomicWait32 { memarg } => (Wait, I32, 4, memarg),
            Operator::MemoryAtomicWait64 { memarg } => (Wait, I64, 8, memarg),
            _ => return None,
        };
        Some(Self { action, ty, bytes, memarg })
    }
}
