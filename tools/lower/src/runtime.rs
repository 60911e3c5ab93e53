//! Items added to the rewritten module: types, globals, functions, a memory and tables.

use std::collections::BTreeMap;

use wasm_encoder::ValType;
use wasm_encoder::reencode::Reencode as _;

use crate::facts::Facts;
use crate::helpers::Helper;
use crate::lowered::Lowered;
use crate::payload::Payload;
use crate::records::{Packed, Records};
use crate::types::Types;

type Signature = (Vec<ValType>, Vec<ValType>);

/// The items added so far. They come after the module's own, so that no index changes.
pub(crate) struct Runtime {
    pub(crate) facts: Facts,
    pub(crate) payload: Payload,
    pub(crate) records: Records,
    pub(crate) types: Vec<Signature>,
    type_indices: BTreeMap<Signature, u32>,
    /// For block types with parameters: the type with the same parameters and no results.
    entries_of_blocks: BTreeMap<u32, u32>,
    pub(crate) helpers: Vec<Helper>,
    helper_indices: BTreeMap<Helper, u32>,
}

impl Runtime {
    pub(crate) fn new(facts: Facts) -> Lowered<Self> {
        let payload = Payload::new(&facts, facts.globals.saturating_add(2))?;
        let memories = u32::try_from(facts.memories.len()).unwrap_or(u32::MAX);
        let records = Records::new(&payload, memories, facts.tables);
        Ok(Self {
            facts,
            payload,
            records,
            types: Vec::new(),
            type_indices: BTreeMap::new(),
            entries_of_blocks: BTreeMap::new(),
            helpers: Vec::new(),
            helper_indices: BTreeMap::new(),
        })
    }

    /// The global with the number of the tag of the exception in flight, or 0.
    pub(crate) fn tag_global(&self) -> u32 {
        self.facts.globals
    }

    /// The global with the number of the next record.
    pub(crate) fn top_global(&self) -> u32 {
        self.facts.globals.saturating_add(1)
    }

    /// The types of all globals that are added.
    pub(crate) fn globals(&self) -> impl Iterator<Item = ValType> {
        let own = if self.facts.exceptions { &[ValType::I32, ValType::I32][..] } else { &[] };
        own.iter().chain(&self.payload.globals).copied()
    }

    /// The function type with these parameters and results.
    pub(crate) fn function_type(&mut self, parameters: Vec<ValType>, results: Vec<ValType>) -> u32 {
        let signature = (parameters, results);
        if let Some(index) = self.type_indices.get(&signature) {
            return *index;
        }
        let index = self.facts.type_count().saturating_add(self.types.len() as u32);
        self.types.push(signature.clone());
        self.type_indices.insert(signature, index);
        index
    }

    /// The type of a block that is entered like blocks of type `ty` and has no results; `None` if it has no
    /// parameters.
    pub(crate) fn entry_of_block(&mut self, ty: u32) -> Lowered<Option<u32>> {
        if let Some(index) = self.entries_of_blocks.get(&ty) {
            return Ok(Some(*index));
        }
        let parameters = values(self.facts.function_type(ty)?.params())?;
        if parameters.is_empty() {
            return Ok(None);
        }
        let index = self.function_type(parameters, Vec::new());
        self.entries_of_blocks.insert(ty, index);
        Ok(Some(index))
    }

    /// The index of a helper, which is added at its first use.
    pub(crate) fn helper(&mut self, helper: Helper) -> u32 {
        if let Some(index) = self.helper_indices.get(&helper) {
            return *index;
        }
        // Code that loads a record names the memory and the tables, also if nothing ever stores one.
        if let Helper::Keep(ty) | Helper::Load(ty) = helper {
            self.records.used |= matches!(Packed::of(self.payload.slots(ty)), Packed::Record);
        }
        let index = self.facts.function_count().saturating_add(self.helpers.len() as u32);
        self.helpers.push(helper);
        self.helper_indices.insert(helper, index);
        index
    }

    /// Whether referenced exceptions whose tag has this type take a record.
    pub(crate) fn any_tag_takes_records(&self) -> bool {
        self.payload.all().any(|slots| matches!(Packed::of(slots), Packed::Record))
    }

    pub(crate) fn parameters(&self, ty: u32) -> Lowered<Vec<ValType>> {
        values(self.facts.function_type(ty)?.params())
    }

    pub(crate) fn results(&self, ty: u32) -> Lowered<Vec<ValType>> {
        values(self.facts.function_type(ty)?.results())
    }
}

/// These types in the rewritten module.
fn values(types: &[wasmparser_263::ValType]) -> Lowered<Vec<ValType>> {
    types.iter().map(|ty| Types.val_type(*ty)).collect()
}
