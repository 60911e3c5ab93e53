//! A core module.

use wasmparser_263::{
    CompositeInnerType, ExternalKind, FuncType, GlobalType, Imports, MemoryType, Parser, Payload, RefType,
    TableType, TypeRef, ValType,
};

use super::needs::{Grant, grant_for};
use super::proposals::{Found, Proposal};

/// The types of imports and exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A function; without its type if that cannot be read.
    Function(Option<FuncType>),
    /// A table.
    Table(TableType),
    /// A memory.
    Memory(MemoryType),
    /// A global.
    Global(GlobalType),
    /// An exception tag and the values that it carries.
    Tag(Option<FuncType>),
    /// An item that does not exist.
    Nothing,
}

/// One import.
#[derive(Debug)]
pub struct Import {
    /// The module it is imported from.
    pub module: String,
    /// Its name there.
    pub name: String,
    /// Its type.
    pub kind: Kind,
}

/// One export.
#[derive(Debug)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: Kind,
}

/// Contents of a module.
#[derive(Debug, Default)]
pub struct Module {
    /// In the module's order.
    pub imports: Vec<Import>,
    /// In the module's order.
    pub exports: Vec<Export>,
    /// Imported ones first.
    pub memories: Vec<MemoryType>,
    /// Imported ones first.
    pub tables: Vec<TableType>,
    /// Number of functions that it defines.
    pub functions: u32,
    /// Number of globals that it defines.
    pub globals: u32,
    /// Proposals that it uses.
    pub proposals: Vec<Proposal>,
}

impl Import {
    /// Returns the capability that it needs; `None` if the host does not know it.
    pub fn grant(&self) -> Option<Grant> {
        matches!(self.kind, Kind::Function(_)).then(|| grant_for(&self.module, &self.name)).flatten()
    }
}

/// State while reading a module.
#[derive(Default)]
struct Reader {
    types: Vec<Option<FuncType>>,
    functions: Vec<u32>,
    globals: Vec<GlobalType>,
    tags: Vec<u32>,
    found: Found,
    module: Module,
}

impl Module {
    /// Reads as far as the bytes are valid.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut reader = Reader::default();
        for payload in Parser::new(0).parse_all(bytes) {
            let Ok(payload) = payload else { break };
            // A truncated section gives its first items.
            let _ = reader.payload(payload);
        }
        if reader.module.memories.len() > 1 {
            reader.found.add("multi_memory");
        }
        if reader.module.tables.len() > 1 {
            reader.found.add("reference_types");
        }
        reader.module.proposals = reader.found.list();
        reader.module
    }

    /// Reads the interface of a module: imports, exports, memories and tables, but no code.
    pub(crate) fn interface(bytes: &[u8]) -> Self {
        let mut reader = Reader::default();
        for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
            if matches!(payload, Payload::CodeSectionStart { .. }) {
                break;
            }
            // A truncated section gives its first items.
            let _ = reader.payload(payload);
        }
        reader.module
    }

    /// The function exported under this name, with its type.
    pub fn exported_function(&self, name: &str) -> Option<&FuncType> {
        self.exports.iter().find_map(|export| match &export.kind {
            Kind::Function(Some(ty)) if export.name == name => Some(ty),
            _ => None,
        })
    }

    /// Whether it imports only functions, and the memory that a program with threads imports.
    pub(super) fn lacks_only_functions(&self) -> bool {
        let memories = self.imports.iter().filter(|import| matches!(import.kind, Kind::Memory(_))).count();
        self.imports.iter().all(|import| match &import.kind {
            Kind::Function(_) => true,
            Kind::Memory(memory) => memory.shared && memories == 1,
            _ => false,
        })
    }

    /// Returns whether it is a program or a library.
    pub fn role(&self) -> &'static str {
        let has = |name| self.exported_function(name).is_some();
        match (has("_start"), has("_initialize"), self.exports.is_empty()) {
            (true, _, _) => "a program (it exports _start)",
            (_, true, _) => {
                "a library that is initialised first (it exports _initialize): --invoke calls its functions"
            }
            (_, _, true) => "a module that exports nothing",
            _ => "a library (it exports no _start): --invoke calls its functions",
        }
    }
}

impl Reader {
    fn payload(&mut self, payload: Payload<'_>) -> wasmparser_263::Result<()> {
        match payload {
            Payload::TypeSection(section) => {
                for group in section {
                    let group = group?;
                    let alone = !group.is_explicit_rec_group();
                    for ty in group.into_types() {
                        self.found.ty(&ty, alone);
                        self.ty(ty.composite_type.inner);
                    }
                }
            }
            Payload::ImportSection(section) => {
                let groups = section.clone().into_iter().map_while(Result::ok);
                if groups.into_iter().any(|group| !matches!(group, Imports::Single(..))) {
                    self.found.add("compact_imports");
                }
                for import in section.into_imports() {
                    let import = import?;
                    let kind = self.import(import.ty);
                    let (module, name) = (import.module.to_owned(), import.name.to_owned());
                    self.module.imports.push(Import { module, name, kind });
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.functions.push(ty?);
                    self.module.functions += 1;
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    self.table(table?.ty);
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    self.memory(memory?);
                }
            }
            Payload::TagSection(section) => {
                self.found.add("exceptions");
                for tag in section {
                    self.tags.push(tag?.func_type_idx);
                }
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    let global = global?;
                    self.found.global(&global.ty);
                    self.globals.push(global.ty);
                    self.module.globals += 1;
                    let mut operators = global.init_expr.get_operators_reader();
                    // A single one belongs to the first version; several are a proposal's addition.
                    while !operators.is_end_then_eof() && !operators.eof() {
                        self.found.constant(&operators.read()?);
                    }
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    let kind = self.export(export.kind, export.index);
                    self.module.exports.push(Export { name: export.name.to_owned(), kind });
                }
            }
            Payload::DataCountSection { .. } => self.found.add("bulk_memory"),
            Payload::CodeSectionEntry(body) => {
                for local in body.get_locals_reader()? {
                    self.found.value(local?.1);
                }
                for operator in body.get_operators_reader()? {
                    self.found.operator(&operator?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn ty(&mut self, ty: CompositeInnerType) {
        let CompositeInnerType::Func(ty) = ty else {
            self.types.push(None);
            return;
        };
        for value in ty.params().iter().chain(ty.results()) {
            self.found.value(*value);
        }
        if ty.results().len() > 1 {
            self.found.add("multi_value");
        }
        self.types.push(Some(ty));
    }

    fn import(&mut self, imported: TypeRef) -> Kind {
        match imported {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                if matches!(imported, TypeRef::FuncExact(_)) {
                    self.found.add("custom_descriptors");
                }
                self.functions.push(ty);
                Kind::Function(self.function_type(ty))
            }
            TypeRef::Table(ty) => {
                self.table(ty);
                Kind::Table(ty)
            }
            TypeRef::Memory(ty) => {
                self.memory(ty);
                Kind::Memory(ty)
            }
            TypeRef::Global(ty) => {
                self.found.global(&ty);
                self.globals.push(ty);
                self.outside(ty);
                Kind::Global(ty)
            }
            TypeRef::Tag(ty) => {
                self.found.add("exceptions");
                self.tags.push(ty.func_type_idx);
                Kind::Tag(self.function_type(ty.func_type_idx))
            }
        }
    }

    fn export(&mut self, kind: ExternalKind, index: u32) -> Kind {
        let at = index as usize;
        match kind {
            ExternalKind::Func | ExternalKind::FuncExact => {
                let ty = self.functions.get(at).copied();
                ty.map_or(Kind::Nothing, |ty| Kind::Function(self.function_type(ty)))
            }
            ExternalKind::Table => self.module.tables.get(at).map_or(Kind::Nothing, |ty| Kind::Table(*ty)),
            ExternalKind::Memory => {
                self.module.memories.get(at).map_or(Kind::Nothing, |ty| Kind::Memory(*ty))
            }
            ExternalKind::Global => match self.globals.get(at).copied() {
                Some(ty) => {
                    self.outside(ty);
                    Kind::Global(ty)
                }
                None => Kind::Nothing,
            },
            ExternalKind::Tag => {
                let ty = self.tags.get(at).copied();
                ty.map_or(Kind::Nothing, |ty| Kind::Tag(self.function_type(ty)))
            }
        }
    }

    /// Records an imported or exported global.
    fn outside(&mut self, ty: GlobalType) {
        if ty.mutable {
            self.found.add("mutable_global");
        }
    }

    fn function_type(&self, ty: u32) -> Option<FuncType> {
        self.types.get(ty as usize).cloned().flatten()
    }

    fn table(&mut self, ty: TableType) {
        self.found.table(&ty);
        self.module.tables.push(ty);
    }

    fn memory(&mut self, ty: MemoryType) {
        self.found.memory(&ty);
        self.module.memories.push(ty);
    }
}

/// `i32 i64 -> f32`, without parentheses if there is nothing.
fn signature(ty: &FuncType) -> String {
    let list = |types: &[ValType]| types.iter().map(ValType::to_string).collect::<Vec<_>>().join(", ");
    match ty.results() {
        [] => format!("({})", list(ty.params())),
        results => format!("({}) -> ({})", list(ty.params()), list(results)),
    }
}

/// `3 to 7`, or `3 or more`.
fn limits(initial: u64, maximum: Option<u64>) -> String {
    match maximum {
        Some(maximum) if maximum == initial => initial.to_string(),
        Some(maximum) => format!("{initial} to {maximum}"),
        None => format!("{initial} or more"),
    }
}

/// Describes a memory in a few words.
pub(super) fn memory_text(ty: &MemoryType) -> String {
    let mut text = format!("{} pages", limits(ty.initial, ty.maximum));
    if let Some(bits) = ty.page_size_log2 {
        text += &format!(" of 2^{bits} bytes");
    }
    if ty.memory64 {
        text += ", 64-bit";
    }
    if ty.shared {
        text += ", shared";
    }
    text
}

/// Describes a table in a few words.
pub(super) fn table_text(ty: &TableType) -> String {
    let elements = if ty.element_type == RefType::FUNCREF { "functions" } else { "references" };
    format!("{} {elements}", limits(ty.initial, ty.maximum))
}

impl Kind {
    /// The kind in one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Function(_) => "function",
            Self::Table(_) => "table",
            Self::Memory(_) => "memory",
            Self::Global(_) => "global",
            Self::Tag(_) => "tag",
            Self::Nothing => "nothing",
        }
    }

    /// Its type.
    pub fn text(&self) -> String {
        match self {
            Self::Function(Some(ty)) | Self::Tag(Some(ty)) => signature(ty),
            Self::Function(None) | Self::Tag(None) => "of an unknown type".to_owned(),
            Self::Table(ty) => table_text(ty),
            Self::Memory(ty) => memory_text(ty),
            Self::Global(ty) => format!("{}{}", if ty.mutable { "mut " } else { "" }, ty.content_type),
            Self::Nothing => "refers to a missing item".to_owned(),
        }
    }
}
