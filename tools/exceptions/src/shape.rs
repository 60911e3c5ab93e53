//! What has to be known of a module before its functions can be rewritten.

use anyhow::{Context as _, Result, bail, ensure};
use wasmparser_263::{CompositeInnerType, ExternalKind, FuncType, Parser, Payload, TypeRef, ValType};

/// Types, functions, globals and tags, and which functions can be called from outside.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    types: Vec<Option<FuncType>>,
    /// The type of each function, imported ones first.
    functions: Vec<u32>,
    /// How many of them are imported.
    pub(crate) imported: u32,
    /// Globals; the next one has this index.
    pub(crate) globals: u32,
    /// Whether each tag has a payload.
    tags: Vec<bool>,
    /// Functions of the module's own that are exported or that it starts with, each once.
    pub(crate) entries: Vec<u32>,
}

impl Shape {
    pub(crate) fn of(module: &[u8]) -> Result<Self> {
        let mut shape = Self::default();
        let mut has_globals = false;
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        for ty in group?.into_types() {
                            let CompositeInnerType::Func(ty) = ty.composite_type.inner else {
                                shape.types.push(None);
                                continue;
                            };
                            shape.types.push(Some(ty));
                        }
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        shape.import(import?.ty)?;
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        shape.functions.push(ty?);
                    }
                }
                Payload::TagSection(section) => {
                    for tag in section {
                        shape.tag(tag?.func_type_idx)?;
                    }
                }
                Payload::GlobalSection(section) => {
                    has_globals = true;
                    shape.globals += section.count();
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        ensure!(export.kind != ExternalKind::Tag, "it exports an exception's tag");
                        if export.kind == ExternalKind::Func {
                            shape.entry(export.index);
                        }
                    }
                }
                Payload::StartSection { func, .. } => shape.entry(func),
                _ => {}
            }
        }
        ensure!(has_globals, "it has exceptions but no section of globals");
        Ok(shape)
    }

    fn import(&mut self, ty: TypeRef) -> Result<()> {
        match ty {
            TypeRef::Func(ty) => {
                self.functions.push(ty);
                self.imported += 1;
            }
            TypeRef::Global(_) => self.globals += 1,
            TypeRef::Tag(_) => bail!("it imports an exception's tag"),
            _ => {}
        }
        Ok(())
    }

    fn tag(&mut self, ty: u32) -> Result<()> {
        match self.function_type(ty)?.params() {
            [] => self.tags.push(false),
            [ValType::I32] => self.tags.push(true),
            other => bail!("its exceptions carry {other:?}; only one i32 is known here"),
        }
        Ok(())
    }

    fn entry(&mut self, function: u32) {
        if function >= self.imported && !self.entries.contains(&function) {
            self.entries.push(function);
        }
    }

    /// The function that stands for this one towards the outside: those come behind all others.
    pub(crate) fn wrapper(&self, function: u32) -> u32 {
        let place = (0u32..).zip(&self.entries).find(|(_, entry)| **entry == function);
        place.map_or(function, |(place, _)| self.function_count() + place)
    }

    pub(crate) fn function_count(&self) -> u32 {
        u32::try_from(self.functions.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn type_index(&self, function: u32) -> Result<u32> {
        self.functions.get(function as usize).copied().context("a function that is not there")
    }

    pub(crate) fn function_type(&self, index: u32) -> Result<&FuncType> {
        self.types.get(index as usize).and_then(Option::as_ref).context("a type that is not there")
    }

    pub(crate) fn has_payload(&self, tag: u32) -> Result<bool> {
        self.tags.get(tag as usize).copied().context("a tag that is not there")
    }
}
