//! The parts of a module that a new function needs to call its exports.

use anyhow::{Context as _, Result};
use wasmparser_263::{ExternalKind, Parser, Payload, TypeRef};

/// Counts of a module's types and functions, and its exported functions.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// Number of types; the next one has this index.
    pub(crate) types: u32,
    /// Number of functions, including imported ones.
    pub(crate) functions: u32,
    exports: Vec<(String, u32)>,
}

impl Shape {
    pub(crate) fn of(module: &[u8]) -> Result<Self> {
        let mut shape = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(section) => shape.types += section.count(),
                Payload::FunctionSection(section) => shape.functions += section.count(),
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        if matches!(import?.ty, TypeRef::Func(_)) {
                            shape.functions += 1;
                        }
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            shape.exports.push((export.name.to_owned(), export.index));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(shape)
    }

    /// The exported function with this name, which may be followed by a colon and its type.
    pub(crate) fn export(&self, name: &str) -> Result<u32> {
        let named = |export: &str| export.split(':').next() == Some(name);
        let found = self.exports.iter().find(|(export, _)| named(export));
        found.map(|(_, index)| *index).with_context(|| format!("the module exports no function {name}"))
    }
}
