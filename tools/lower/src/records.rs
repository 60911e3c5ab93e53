//! Records of referenced exceptions: a stack of them, with numbers in a memory and references in tables.

use std::collections::BTreeMap;

use wasm_encoder::{
    BlockType, InstructionSink, MemArg, MemArgTarget, MemoryType, RefType, TableType, ValType,
};

use crate::payload::{Payload, Slot};

const PAGE_BITS: i64 = 16;

/// The lower half of a reference to an exception, next to the tag.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Packed {
    /// No values.
    Nothing,
    /// The only value.
    Integer(Slot),
    /// The bits of the only value.
    Float(Slot),
    /// The number of a record.
    Record,
}

impl Packed {
    pub(crate) fn of(slots: &[Slot]) -> Self {
        match slots {
            [] => Self::Nothing,
            [slot] if slot.ty == ValType::I32 => Self::Integer(*slot),
            [slot] if slot.ty == ValType::F32 => Self::Float(*slot),
            _ => Self::Record,
        }
    }
}

/// The place of one value in a record.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In the memory, so many bytes from the record's start.
    Byte(u64),
    /// Index in the table of its type.
    Element(RefType, u32),
}

/// The layout of all records: each has space for the values of any tag.
#[derive(Debug)]
pub(crate) struct Records {
    /// Whether there are any; otherwise the memory and the tables do not exist.
    pub(crate) used: bool,
    memory: u32,
    record_bytes: u32,
    first_table: u32,
    /// The number of references of each type in a record.
    elements: BTreeMap<RefType, u32>,
}

impl Records {
    /// The memory and the first table have these indices; further tables follow.
    pub(crate) fn new(payload: &Payload, memory: u32, first_table: u32) -> Self {
        let mut records =
            Self { used: false, memory, record_bytes: 0, first_table, elements: BTreeMap::new() };
        for slots in payload.all().filter(|slots| matches!(Packed::of(slots), Packed::Record)) {
            let mut bytes = 0;
            for (slot, place) in places(slots) {
                match place {
                    Place::Byte(start) => bytes = start as u32 + size(slot.ty),
                    Place::Element(ty, number) => {
                        let room = records.elements.entry(ty).or_default();
                        *room = (*room).max(number + 1);
                    }
                }
            }
            records.record_bytes = records.record_bytes.max(bytes);
        }
        records
    }

    pub(crate) fn memory_type(&self) -> Option<MemoryType> {
        (self.used && self.record_bytes > 0).then_some(MemoryType {
            minimum: 0,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        })
    }

    pub(crate) fn table_types(&self) -> impl Iterator<Item = TableType> {
        let tables = self.elements.keys().filter(|_| self.used);
        tables.map(|element_type| TableType {
            element_type: *element_type,
            table64: false,
            minimum: 0,
            maximum: None,
            shared: false,
        })
    }

    fn table(&self, ty: RefType) -> u32 {
        self.first_table.saturating_add(self.elements.range(..ty).count() as u32)
    }

    /// Allocates another record above `top`, a global, or calls `fail`. Leaves the record's number.
    pub(crate) fn allocate(&self, code: &mut InstructionSink<'_>, top: u32, fail: u32) {
        let needed = |code: &mut InstructionSink<'_>, each: u32| {
            code.global_get(top).i64_extend_i32_u().i64_const(1).i64_add();
            code.i64_const(each.into()).i64_mul();
        };
        let check = |code: &mut InstructionSink<'_>| {
            code.i32_const(-1).i32_eq().if_(BlockType::Empty).call(fail).end();
        };
        if self.record_bytes > 0 {
            needed(code, self.record_bytes);
            code.memory_size(self.memory).i64_extend_i32_u().i64_const(PAGE_BITS).i64_shl();
            code.i64_gt_u().if_(BlockType::Empty);
            // Grows by half; a record fits into a page.
            code.memory_size(self.memory).i32_const(1).i32_shr_u().i32_const(1).i32_add();
            code.memory_grow(self.memory);
            check(code);
            code.end();
        }
        for (ty, each) in &self.elements {
            let table = self.table(*ty);
            needed(code, *each);
            code.table_size(table).i64_extend_i32_u().i64_gt_u().if_(BlockType::Empty);
            code.ref_null(ty.heap_type).table_size(table).i32_const(1).i32_shr_u();
            code.i32_const(each.cast_signed()).i32_add().table_grow(table);
            check(code);
            code.end();
        }
        code.global_get(top).global_get(top).i32_const(1).i32_add().global_set(top);
    }

    /// Copies the values from their globals into the record whose number is in `local`.
    pub(crate) fn store(&self, code: &mut InstructionSink<'_>, slots: &[Slot], local: u32) {
        for (slot, place) in places(slots) {
            self.address(code, place, local);
            code.global_get(slot.global);
            match place {
                Place::Byte(start) => self.store_number(code, slot.ty, start),
                Place::Element(ty, _) => code.table_set(self.table(ty)),
            };
        }
    }

    /// Copies the values from the record whose number is in `local` into their globals.
    pub(crate) fn load(&self, code: &mut InstructionSink<'_>, slots: &[Slot], local: u32) {
        for (slot, place) in places(slots) {
            self.address(code, place, local);
            match place {
                Place::Byte(start) => self.load_number(code, slot.ty, start),
                Place::Element(ty, _) => code.table_get(self.table(ty)),
            };
            code.global_set(slot.global);
        }
    }

    fn address(&self, code: &mut InstructionSink<'_>, place: Place, local: u32) {
        code.local_get(local);
        match place {
            Place::Byte(_) => code.i32_const(self.record_bytes.cast_signed()).i32_mul(),
            Place::Element(ty, number) => {
                let each = self.elements.get(&ty).copied().unwrap_or_default();
                code.i32_const(each.cast_signed()).i32_mul().i32_const(number.cast_signed()).i32_add()
            }
        };
    }

    fn at(&self, offset: u64) -> MemArg {
        MemArg { offset, align: 0, target: MemArgTarget::Memory(self.memory), ordering: None }
    }

    fn store_number<'a, 'b>(
        &self,
        code: &'a mut InstructionSink<'b>,
        ty: ValType,
        start: u64,
    ) -> &'a mut InstructionSink<'b> {
        match ty {
            ValType::I32 => code.i32_store(self.at(start)),
            ValType::I64 => code.i64_store(self.at(start)),
            ValType::F32 => code.f32_store(self.at(start)),
            ValType::F64 => code.f64_store(self.at(start)),
            ValType::V128 | ValType::Ref(_) => code.v128_store(self.at(start)),
        }
    }

    fn load_number<'a, 'b>(
        &self,
        code: &'a mut InstructionSink<'b>,
        ty: ValType,
        start: u64,
    ) -> &'a mut InstructionSink<'b> {
        match ty {
            ValType::I32 => code.i32_load(self.at(start)),
            ValType::I64 => code.i64_load(self.at(start)),
            ValType::F32 => code.f32_load(self.at(start)),
            ValType::F64 => code.f64_load(self.at(start)),
            ValType::V128 | ValType::Ref(_) => code.v128_load(self.at(start)),
        }
    }
}

/// The place of each of these values in a record.
fn places(slots: &[Slot]) -> impl Iterator<Item = (Slot, Place)> {
    let mut bytes = 0u64;
    let mut elements: BTreeMap<RefType, u32> = BTreeMap::new();
    slots.iter().map(move |slot| match Slot::stored(slot.ty) {
        ValType::Ref(ty) => {
            let number = elements.entry(ty).or_default();
            *number += 1;
            (*slot, Place::Element(ty, *number - 1))
        }
        number => {
            let start = bytes;
            bytes += u64::from(size(number));
            (*slot, Place::Byte(start))
        }
    })
}

fn size(ty: ValType) -> u32 {
    match ty {
        ValType::I32 | ValType::F32 => 4,
        ValType::I64 | ValType::F64 => 8,
        ValType::V128 => 16,
        ValType::Ref(_) => 0,
    }
}
