//! Atomic instructions for single-threaded programs: plain ones, after a test of the alignment.

use anyhow::anyhow;
use wasm_encoder::reencode::{Error, Reencode as _};
use wasm_encoder::{BlockType, MemArg, ValType};
use wasmparser_263::MemArgTarget;

use crate::atomic::{Action, Atomic, Change};
use crate::function::Body;
use crate::helpers::Reason;
use crate::lowered::Lowered;
use crate::types::Types;

/// Locals for the operands and the old value, besides the address.
const VALUE: u32 = 1;
const EXPECTED: u32 = 2;
const OLD: u32 = 3;

impl Body<'_> {
    pub(crate) fn atomic(&mut self, atomic: Atomic) -> Lowered {
        let MemArgTarget::Memory(memory) = atomic.memarg.target else {
            return Err(Error::UserError(anyhow!(
                "it has atomic instructions on arrays, which cannot run here"
            )));
        };
        let memory = self.runtime.facts.memories.get(memory as usize).copied();
        let (memory64, shared) = memory.map_or((false, false), |memory| (memory.memory64, memory.shared));
        let at = MemArg { ordering: None, ..Types.mem_arg(atomic.memarg)? };
        let operation = Operation { atomic, at, address: if memory64 { ValType::I64 } else { ValType::I32 } };
        match atomic.action {
            Action::Load => {
                if atomic.bytes > 1 {
                    let address = self.scratch(operation.address, 0);
                    self.code().local_set(address);
                    self.check_alignment(&operation, address);
                    self.code().local_get(address);
                }
                self.load(&operation);
            }
            Action::Store => {
                if atomic.bytes > 1 {
                    let (address, value) = self.address_and(&operation, VALUE);
                    self.code().local_get(address).local_get(value);
                }
                self.store(&operation);
            }
            Action::Modify(change) => {
                let (address, value) = self.address_and(&operation, VALUE);
                let old = self.scratch(atomic.ty, OLD);
                self.code().local_get(address).local_get(address);
                self.load(&operation);
                self.code().local_tee(old).local_get(value);
                self.change(atomic.ty, change);
                self.store(&operation);
                self.code().local_get(old);
            }
            Action::Exchange => {
                let (address, value) = self.address_and(&operation, VALUE);
                let old = self.scratch(atomic.ty, OLD);
                self.code().local_get(address);
                self.load(&operation);
                self.code().local_set(old).local_get(address).local_get(value);
                self.store(&operation);
                self.code().local_get(old);
            }
            Action::CompareExchange => self.compare_exchange(&operation),
            Action::Notify => {
                // The count is irrelevant: there are no waiters.
                self.code().drop();
                let address = self.scratch(operation.address, 0);
                self.code().local_set(address);
                self.check_alignment(&operation, address);
                self.code().local_get(address);
                self.load(&operation);
                self.code().drop().i32_const(0);
            }
            Action::Wait if shared => self.wait(&operation),
            Action::Wait => {
                self.trap(Reason::ExpectedShared);
                self.set_dead(true);
            }
        }
        Ok(())
    }

    /// Moves an operand and the address below it from the stack into locals, and tests the address.
    fn address_and(&mut self, operation: &Operation, number: u32) -> (u32, u32) {
        let (address, value) =
            (self.scratch(operation.address, 0), self.scratch(operation.atomic.ty, number));
        self.code().local_set(value).local_set(address);
        self.check_alignment(operation, address);
        (address, value)
    }

    fn check_alignment(&mut self, operation: &Operation, address: u32) {
        let mask = u64::from(operation.atomic.bytes.saturating_sub(1));
        if mask == 0 {
            return;
        }
        // Only the lowest bits matter, so the sum may wrap.
        let low = operation.at.offset & mask;
        let (mask, low) = (mask.cast_signed(), low.cast_signed());
        self.code().local_get(address);
        match operation.address {
            ValType::I64 => {
                if low > 0 {
                    self.code().i64_const(low).i64_add();
                }
                self.code().i64_const(mask).i64_and().i64_const(0).i64_ne();
            }
            _ => {
                if low > 0 {
                    self.code().i32_const(low as i32).i32_add();
                }
                self.code().i32_const(mask as i32).i32_and();
            }
        }
        self.code().if_(BlockType::Empty);
        self.trap(Reason::Unaligned);
        self.code().end();
    }

    fn compare_exchange(&mut self, operation: &Operation) {
        let ty = operation.atomic.ty;
        let value = self.scratch(ty, VALUE);
        self.code().local_set(value);
        let (address, expected) = self.address_and(operation, EXPECTED);
        let old = self.scratch(ty, OLD);
        self.code().local_get(address);
        self.load(operation);
        // Of the expected value, as many bytes count as are read.
        let bits = operation.atomic.bytes * 8;
        let mut code = self.code();
        code.local_tee(old).local_get(expected);
        match ty {
            ValType::I64 if bits < 64 => code.i64_const((1 << bits) - 1).i64_and().i64_eq(),
            ValType::I64 => code.i64_eq(),
            _ if bits < 32 => code.i32_const((1 << bits) - 1).i32_and().i32_eq(),
            _ => code.i32_eq(),
        };
        self.code().if_(BlockType::Empty).local_get(address).local_get(value);
        self.store(operation);
        self.code().end().local_get(old);
    }

    /// For a memory that was declared as shared: 1 if the value differs, 2 for a time-out. No other thread can intervene,
    /// so the result is known at once.
    fn wait(&mut self, operation: &Operation) {
        let timeout = self.scratch(ValType::I64, VALUE);
        self.code().local_set(timeout);
        let (address, expected) = self.address_and(operation, EXPECTED);
        self.code().local_get(address);
        self.load(operation);
        self.code().local_get(expected);
        match operation.atomic.ty {
            ValType::I64 => self.code().i64_ne(),
            _ => self.code().i32_ne(),
        };
        self.code().if_(BlockType::Result(ValType::I32)).i32_const(1).else_();
        self.code().local_get(timeout).i64_const(0).i64_lt_s().if_(BlockType::Empty);
        self.trap(Reason::Deadlock);
        self.code().end().i32_const(2).end();
    }

    fn load(&mut self, operation: &Operation) {
        let at = operation.at;
        let mut code = self.code();
        match (operation.atomic.ty, operation.atomic.bytes) {
            (ValType::I64, 1) => code.i64_load8_u(at),
            (ValType::I64, 2) => code.i64_load16_u(at),
            (ValType::I64, 4) => code.i64_load32_u(at),
            (ValType::I64, _) => code.i64_load(at),
            (_, 1) => code.i32_load8_u(at),
            (_, 2) => code.i32_load16_u(at),
            _ => code.i32_load(at),
        };
    }

    fn store(&mut self, operation: &Operation) {
        let at = operation.at;
        let mut code = self.code();
        match (operation.atomic.ty, operation.atomic.bytes) {
            (ValType::I64, 1) => code.i64_store8(at),
            (ValType::I64, 2) => code.i64_store16(at),
            (ValType::I64, 4) => code.i64_store32(at),
            (ValType::I64, _) => code.i64_store(at),
            (_, 1) => code.i32_store8(at),
            (_, 2) => code.i32_store16(at),
            _ => code.i32_store(at),
        };
    }

    fn change(&mut self, ty: ValType, change: Change) {
        let mut code = self.code();
        match (ty, change) {
            (ValType::I64, Change::Add) => code.i64_add(),
            (ValType::I64, Change::Sub) => code.i64_sub(),
            (ValType::I64, Change::And) => code.i64_and(),
            (ValType::I64, Change::Or) => code.i64_or(),
            (ValType::I64, Change::Xor) => code.i64_xor(),
            (_, Change::Add) => code.i32_add(),
            (_, Change::Sub) => code.i32_sub(),
            (_, Change::And) => code.i32_and(),
            (_, Change::Or) => code.i32_or(),
            (_, Change::Xor) => code.i32_xor(),
        };
    }
}

/// An atomic instruction and its memory.
struct Operation {
    atomic: Atomic,
    at: MemArg,
    /// The type of addresses.
    address: ValType,
}
