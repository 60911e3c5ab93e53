//! Copies the module's sections, appending the additions.

use wasm_encoder::reencode::{Reencode as _, utils};
use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, DataCountSection, DataSection, ElementSection, ExportSection,
    Function, FunctionSection, GlobalSection, GlobalType, ImportSection, MemorySection, Module, StartSection,
    TableSection, TypeSection, ValType,
};
use wasmparser_263::{
    CustomSectionReader, Export, ExternalKind, FuncValidatorAllocations, FunctionBody, Import, KnownCustom,
    Parser, Payload, TypeRef, ValidPayload, Validator, WasmFeatures,
};

use crate::facts::Facts;
use crate::function;
use crate::helpers::Helper;
use crate::lowered::Lowered;
use crate::names::Names;
use crate::runtime::Runtime;
use crate::types::Types;

/// The rewritten module so far.
pub(crate) struct Copy<'a> {
    runtime: Runtime,
    types: TypeSection,
    imports: ImportSection,
    functions: FunctionSection,
    tables: TableSection,
    memories: MemorySection,
    globals: GlobalSection,
    exports: ExportSection,
    start: Option<u32>,
    elements: ElementSection,
    data_count: Option<u32>,
    bodies: Vec<Function>,
    data: DataSection,
    /// Custom sections that precede all others, and the rest.
    first: Vec<CustomSection<'a>>,
    last: Vec<CustomSection<'a>>,
    names: Names<'a>,
}

impl<'a> Copy<'a> {
    pub(crate) fn of(module: &'a [u8], facts: Facts) -> Lowered<Vec<u8>> {
        let mut copy = Self {
            runtime: Runtime::new(facts)?,
            types: TypeSection::new(),
            imports: ImportSection::new(),
            functions: FunctionSection::new(),
            tables: TableSection::new(),
            memories: MemorySection::new(),
            globals: GlobalSection::new(),
            exports: ExportSection::new(),
            start: None,
            elements: ElementSection::new(),
            data_count: None,
            bodies: Vec::new(),
            data: DataSection::new(),
            first: Vec::new(),
            last: Vec::new(),
            names: Names::default(),
        };
        let mut validator = Validator::new_with_features(WasmFeatures::all());
        let mut allocations = FuncValidatorAllocations::default();
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload?;
            match validator.payload(&payload)? {
                ValidPayload::Func(function, body) => {
                    let mut validator = function.into_validator(allocations);
                    copy.body(&body, &mut validator)?;
                    allocations = validator.into_allocations();
                }
                _ => copy.section(payload)?,
            }
        }
        copy.finish()
    }

    fn section(&mut self, payload: Payload<'a>) -> Lowered {
        match payload {
            Payload::TypeSection(section) => Types.parse_type_section(&mut self.types, section)?,
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    self.import(import?)?;
                }
            }
            Payload::FunctionSection(section) => {
                Types.parse_function_section(&mut self.functions, section)?
            }
            Payload::TableSection(section) => Types.parse_table_section(&mut self.tables, section)?,
            Payload::MemorySection(section) => Types.parse_memory_section(&mut self.memories, section)?,
            Payload::GlobalSection(section) => Types.parse_global_section(&mut self.globals, section)?,
            Payload::ExportSection(section) => {
                for export in section {
                    self.export(export?)?;
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(self.entry(func)),
            Payload::ElementSection(section) => Types.parse_element_section(&mut self.elements, section)?,
            Payload::DataCountSection { count, .. } => self.data_count = Some(count),
            Payload::DataSection(section) => Types.parse_data_section(&mut self.data, section)?,
            Payload::CustomSection(section) => self.custom(&section),
            _ => {}
        }
        Ok(())
    }

    /// A shared memory that is the only one becomes the module's own, like the one its host would have
    /// created.
    fn import(&mut self, import: Import<'a>) -> Lowered {
        match import.ty {
            TypeRef::Memory(memory) if memory.shared && self.runtime.facts.imported_memories == 1 => {
                self.memories.memory(Types.memory_type(memory)?);
                Ok(())
            }
            _ => utils::parse_import(&mut Types, &mut self.imports, import),
        }
    }

    fn export(&mut self, mut export: Export<'_>) -> Lowered {
        match export.kind {
            // It cannot be imported from outside.
            ExternalKind::Tag => return Ok(()),
            ExternalKind::Func => export.index = self.entry(export.index),
            _ => {}
        }
        utils::parse_export(&mut Types, &mut self.exports, export)
    }

    /// The function that the host calls instead of this one.
    fn entry(&mut self, function: u32) -> u32 {
        if self.runtime.facts.throws(function) {
            self.runtime.helper(Helper::Entry(function))
        } else {
            function
        }
    }

    fn custom(&mut self, section: &CustomSectionReader<'a>) {
        match section.as_known() {
            KnownCustom::Name(names) => self.names.read(names),
            // They refer to positions in the original code.
            _ if section.name().starts_with(".debug_") || section.name().starts_with("reloc.") => {}
            _ => {
                let list = if self.types.is_empty() { &mut self.first } else { &mut self.last };
                list.push(CustomSection { name: section.name().into(), data: section.data().into() });
            }
        }
    }

    fn body<R: wasmparser_263::WasmModuleResources>(
        &mut self,
        body: &FunctionBody<'_>,
        validator: &mut wasmparser_263::FuncValidator<R>,
    ) -> Lowered {
        let index = self.runtime.facts.imported_functions.saturating_add(self.bodies.len() as u32);
        self.bodies.push(function::rewrite(&mut self.runtime, index, body, validator)?);
        Ok(())
    }

    fn finish(mut self) -> Lowered<Vec<u8>> {
        let mut next = 0;
        // Each may request more.
        while let Some(helper) = self.runtime.helpers.get(next).copied() {
            self.functions.function(helper.type_index(&mut self.runtime)?);
            self.bodies.push(helper.body(&mut self.runtime)?);
            next += 1;
        }
        for (parameters, results) in self.runtime.types.drain(..) {
            self.types.ty().function(parameters, results);
        }
        for ty in self.runtime.records.table_types() {
            self.tables.table(ty);
        }
        if let Some(ty) = self.runtime.records.memory_type() {
            self.memories.memory(ty);
        }
        for ty in self.runtime.globals() {
            self.globals.global(GlobalType { val_type: ty, mutable: true, shared: false }, &initial(ty));
        }
        self.encode()
    }

    fn encode(self) -> Lowered<Vec<u8>> {
        let mut module = Module::new();
        for section in &self.first {
            module.section(section);
        }
        module.section(&self.types).section(&self.imports).section(&self.functions).section(&self.tables);
        module.section(&self.memories).section(&self.globals).section(&self.exports);
        if let Some(function_index) = self.start {
            module.section(&StartSection { function_index });
        }
        module.section(&self.elements);
        if let Some(count) = self.data_count {
            module.section(&DataCountSection { count });
        }
        let mut code = CodeSection::new();
        for body in &self.bodies {
            code.function(body);
        }
        module.section(&code).section(&self.data).section(&self.names.section(&self.runtime)?);
        for section in &self.last {
            module.section(section);
        }
        Ok(module.finish())
    }
}

/// The value of a global before the first exception.
fn initial(ty: ValType) -> ConstExpr {
    match ty {
        ValType::I32 => ConstExpr::i32_const(0),
        ValType::I64 => ConstExpr::i64_const(0),
        ValType::F32 => ConstExpr::f32_const(0.0.into()),
        ValType::F64 => ConstExpr::f64_const(0.0.into()),
        ValType::V128 => ConstExpr::v128_const(0),
        ValType::Ref(reference) => ConstExpr::ref_null(reference.heap_type),
    }
}
