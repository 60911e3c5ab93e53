//! Checks that do not require validating the module, which takes time proportional to its length.

use super::{
    Host,
    imports::{not_a_function, unknown_function},
    limiter::{Refused, Resource},
    proposals::{COMPONENT, imported_shared_memory},
};
use crate::{
    Limits, UnknownImports,
    pace::{ITEM_WORK, Pace, STOPPED, name_work},
};
use wasmparser::{Import, MemoryType, Parser, Payload, TypeRef};

const PAGE_BYTES: u64 = 64 << 10;

/// Maximum length of a module.
const MAX_MODULE_BYTES: usize = 256 << 20;

/// Checks the length of a module.
pub(super) fn check_length(module: &[u8]) -> Result<(), String> {
    match module.len() <= MAX_MODULE_BYTES {
        true => Ok(()),
        false => Err(format!("it is {} bytes long, more than {MAX_MODULE_BYTES}", module.len())),
    }
}

/// Examines the sections before a module's functions: its imports, and the minimum sizes of its memories and
/// tables. A parse error is ignored here and reported later by the engine.
pub(crate) async fn check_early<H: Host>(
    engine: &str,
    module: &[u8],
    limits: &Limits,
    unknown: UnknownImports,
    pace: &mut Pace,
) -> Result<(), String> {
    if module.starts_with(COMPONENT) {
        // Nested modules are not considered.
        return Ok(());
    }
    let (mut memory, mut elements) = (0u64, 0u64);
    for payload in Parser::new(0).parse_all(module).map_while(Result::ok) {
        pace.spend(ITEM_WORK).await;
        if pace.is_stopped() {
            return Err(STOPPED.to_owned());
        }
        match payload {
            Payload::ImportSection(imports) => {
                for import in imports.into_iter().map_while(Result::ok) {
                    check::<H>(engine, &import, unknown)?;
                    pace.spend(ITEM_WORK + name_work(import.module) + name_work(import.name)).await;
                }
            }
            Payload::MemorySection(memories) => {
                for part in memories.into_iter().map_while(Result::ok).map(bytes) {
                    memory = memory.saturating_add(part);
                    pace.spend(ITEM_WORK).await;
                }
            }
            Payload::TableSection(tables) => {
                for table in tables.into_iter().map_while(Result::ok) {
                    elements = elements.saturating_add(table.ty.initial);
                    pace.spend(ITEM_WORK).await;
                }
            }
            Payload::CustomSection(section) => pace.spend(name_work(section.name())).await,
            Payload::CodeSectionStart { .. } => break,
            _ => {}
        }
    }
    fits(Resource::Memory, memory, limits.memory_bytes)?;
    fits(Resource::TableElements, elements, limits.table_elements.into())
}

fn bytes(memory: MemoryType) -> u64 {
    let page_bytes =
        memory.page_size_log2.map_or(PAGE_BYTES, |log2| 1u64.checked_shl(log2).unwrap_or(u64::MAX));
    memory.initial.saturating_mul(page_bytes)
}

fn check<H: Host>(engine: &str, import: &Import<'_>, unknown: UnknownImports) -> Result<(), String> {
    let kind = match import.ty {
        TypeRef::Func(_) if unknown == UnknownImports::Deny => {
            return unknown_function::<H>(import.module, import.name).map_or(Ok(()), Err);
        }
        TypeRef::Func(_) => return Ok(()),
        TypeRef::Table(_) => "table",
        TypeRef::Memory(memory) if memory.shared => {
            return Err(imported_shared_memory(engine, import.module, import.name));
        }
        TypeRef::Memory(_) => "memory",
        TypeRef::Global(_) => "global",
        TypeRef::Tag(_) => "tag",
    };
    Err(not_a_function(import.module, import.name, kind))
}

fn fits(resource: Resource, wanted: u64, limit: u64) -> Result<(), String> {
    match wanted <= limit {
        true => Ok(()),
        false => Err(Refused { resource, wanted, limit }.to_string()),
    }
}
