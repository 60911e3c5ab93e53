//! The values of the exception in flight, in globals that all tags share.

use std::collections::BTreeMap;

use wasm_encoder::reencode::Reencode as _;
use wasm_encoder::{RefType, ValType};

use crate::facts::Facts;
use crate::lowered::Lowered;
use crate::types::Types;

/// A value of a tag's exceptions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    pub(crate) ty: ValType,
    /// The global that holds it.
    pub(crate) global: u32,
}

impl Slot {
    /// The type of the global. It is null without an exception, so its type must be nullable.
    pub(crate) fn stored(ty: ValType) -> ValType {
        match ty {
            ValType::Ref(reference) => ValType::Ref(RefType { nullable: true, ..reference }),
            number => number,
        }
    }

    /// Whether the reference is nullable in the global but not in the exception.
    pub(crate) fn is_non_null(self) -> bool {
        matches!(self.ty, ValType::Ref(reference) if !reference.nullable)
    }
}

/// The slots of each tag's values.
#[derive(Debug, Default)]
pub(crate) struct Payload {
    /// By the tag's type, which several tags may share.
    slots: BTreeMap<u32, Vec<Slot>>,
    /// The globals' types.
    pub(crate) globals: Vec<ValType>,
}

impl Payload {
    /// Globals are numbered from `first` on. There are as many of a type as any single tag needs.
    pub(crate) fn new(facts: &Facts, first: u32) -> Lowered<Self> {
        let mut payload = Self::default();
        let mut pools: BTreeMap<ValType, Vec<u32>> = BTreeMap::new();
        for tag in &facts.tags {
            if payload.slots.contains_key(tag) {
                continue;
            }
            let mut used: BTreeMap<ValType, usize> = BTreeMap::new();
            let mut slots = Vec::new();
            for parameter in facts.function_type(*tag)?.params() {
                let ty = Types.val_type(*parameter)?;
                let stored = Slot::stored(ty);
                let (pool, used) = (pools.entry(stored).or_default(), used.entry(stored).or_default());
                let global = pool.get(*used).copied().unwrap_or_else(|| {
                    let global = first.saturating_add(payload.globals.len() as u32);
                    payload.globals.push(stored);
                    pool.push(global);
                    global
                });
                *used += 1;
                slots.push(Slot { ty, global });
            }
            payload.slots.insert(*tag, slots);
        }
        Ok(payload)
    }

    /// The values of exceptions whose tag has this type.
    pub(crate) fn slots(&self, ty: u32) -> &[Slot] {
        self.slots.get(&ty).map_or(&[], Vec::as_slice)
    }

    /// The values of the types of all tags.
    pub(crate) fn all(&self) -> impl Iterator<Item = &[Slot]> {
        self.slots.values().map(Vec::as_slice)
    }
}
