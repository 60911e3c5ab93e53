//! The state of a module's instances besides their tables, and the names under which it is exported.

use crate::pace::{ITEM_WORK, Pace, STOPPED, name_work};
use wasmparser::{BinaryReaderError, Parser, Payload, TypeRef, ValType};

/// Names with this prefix are for exports that are added.
const RESERVED: &str = "capos:";

/// The most mutable globals of a module whose state is exported: compilers make a handful.
const MAX_GLOBALS: usize = 1024;
/// The most exports of a valid module.
const MAX_EXPORTS: u64 = 100_000;

/// The memories and mutable globals of a module's instances.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Inventory {
    /// Number of memories.
    pub(super) memories: u32,
    /// The indices of mutable globals.
    pub(super) globals: Vec<u32>,
}

/// Whether an export is one of the state, for nobody but engines.
pub(crate) fn is_state_export(name: &str, is_function: bool) -> bool {
    !is_function && name.starts_with(RESERVED)
}

/// The export name of a memory.
pub(super) fn memory_name(index: u32) -> String {
    format!("{RESERVED}memory {index}")
}

/// The export name of a mutable global.
pub(super) fn global_name(index: u32) -> String {
    format!("{RESERVED}global {index}")
}

pub(super) fn unreadable(error: &BinaryReaderError) -> String {
    format!("its module cannot be read: {error}")
}

impl Inventory {
    /// Reads the sections before a module's code. The error says why the state cannot be exported.
    pub(super) async fn read(module: &[u8], pace: &mut Pace) -> Result<Self, String> {
        let mut state = Self::default();
        let (mut globals, mut exports) = (0, 0);
        for payload in Parser::new(0).parse_all(module) {
            pace.spend(ITEM_WORK).await;
            if pace.is_stopped() {
                return Err(STOPPED.to_owned());
            }
            match payload.map_err(|error| unreadable(&error))? {
                Payload::ImportSection(imports) => {
                    for import in imports {
                        let import = import.map_err(|error| unreadable(&error))?;
                        if !matches!(import.ty, TypeRef::Func(_)) {
                            return Err(format!("it imports {:?}, which is not a function", import.name));
                        }
                        pace.spend(ITEM_WORK + name_work(import.module) + name_work(import.name)).await;
                    }
                }
                Payload::MemorySection(memories) => state.memories = memories.count(),
                Payload::GlobalSection(section) => {
                    for global in section {
                        let global = global.map_err(|error| unreadable(&error))?;
                        match global.ty {
                            ty if !ty.mutable => {}
                            ty if matches!(ty.content_type, ValType::Ref(_)) => {
                                return Err("it has a mutable global that holds references".to_owned());
                            }
                            _ if state.globals.len() == MAX_GLOBALS => {
                                return Err(format!("it has more than {MAX_GLOBALS} mutable globals"));
                            }
                            _ => state.globals.push(globals),
                        }
                        globals += 1;
                        pace.spend(ITEM_WORK).await;
                    }
                }
                Payload::ExportSection(section) => {
                    exports = u64::from(section.count());
                    for export in section {
                        let export = export.map_err(|error| unreadable(&error))?;
                        if export.name.starts_with(RESERVED) {
                            return Err(format!("it exports {:?}, a reserved name", export.name));
                        }
                        pace.spend(ITEM_WORK + name_work(export.name)).await;
                    }
                }
                Payload::CustomSection(section) => pace.spend(name_work(section.name())).await,
                Payload::CodeSectionStart { .. } => break,
                _ => {}
            }
        }
        // One more for the start function.
        let added = u64::from(state.memories) + state.globals.len() as u64 + 1;
        match exports {
            0 => Err("it exports nothing".to_owned()),
            exports if exports.saturating_add(added) > MAX_EXPORTS => {
                Err("it has too many exports".to_owned())
            }
            _ => Ok(state),
        }
    }
}
