//! Facts about a module that rewriting depends on.

mod scan;

use anyhow::{Context as _, anyhow};
use wasm_encoder::reencode::Error;
use wasmparser_263::{
    CompositeInnerType, ExternalKind, FuncType, FunctionBody, HeapType, MemoryType, Parser, Payload, TypeRef,
    ValType,
};

use crate::Kept;
use crate::lowered::Lowered;
use crate::types::{is_exception, is_exception_reference};

/// Counts and types of the module's items, and its use of exceptions and threads.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Function types by index; `None` for structures and arrays.
    types: Vec<Option<FuncType>>,
    /// The type of each function, imported ones first.
    functions: Vec<u32>,
    pub(crate) imported_functions: u32,
    pub(crate) tables: u32,
    pub(crate) memories: Vec<MemoryType>,
    pub(crate) imported_memories: u32,
    pub(crate) globals: u32,
    /// The type of each tag.
    pub(crate) tags: Vec<u32>,
    /// Whether each function may throw.
    throws: Vec<bool>,
    /// Whether the module throws at all.
    pub(crate) anything_throws: bool,
    /// Whether it uses exceptions or references to them.
    pub(crate) exceptions: bool,
    /// Whether it uses references to exceptions.
    pub(crate) references: bool,
    /// Whether a reference to an exception may outlive the function that caught it.
    pub(crate) references_escape: bool,
    atomics: bool,
    /// Whether it uses exceptions in their older form.
    older_form: bool,
}

/// Calls between the module's functions, used to find those that may throw.
#[derive(Default)]
struct Calls {
    /// Caller and callee.
    edges: Vec<(u32, u32)>,
    throwing: Vec<u32>,
}

impl Facts {
    pub(crate) fn of(module: &[u8]) -> Lowered<Self> {
        let mut facts = Self::default();
        let mut calls = Calls::default();
        let mut index = None;
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        for ty in group?.into_types() {
                            facts.function_type_found(ty.composite_type.inner);
                        }
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        facts.import(import.module, import.name, import.ty)?;
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        facts.functions.push(ty?);
                    }
                }
                Payload::TableSection(section) => facts.tables += section.count(),
                Payload::MemorySection(section) => {
                    for memory in section {
                        facts.memories.push(memory?);
                    }
                }
                Payload::TagSection(section) => {
                    for tag in section {
                        facts.tag(tag?.func_type_idx);
                    }
                }
                Payload::GlobalSection(section) => {
                    for global in section {
                        facts.globals += 1;
                        let escapes = facts.value(global?.ty.content_type);
                        facts.references_escape |= escapes;
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        facts.exceptions |= export?.kind == ExternalKind::Tag;
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    let function = index.unwrap_or(facts.imported_functions);
                    facts.code(function, &body, &mut calls)?;
                    index = Some(function.saturating_add(1));
                }
                _ => {}
            }
        }
        facts.find_throwing(&calls);
        facts.references_escape |= facts.returns_references();
        Ok(facts)
    }

    /// Whether there is nothing to rewrite.
    pub(crate) fn is_plain(&self, kept: Kept) -> bool {
        let exceptions = match kept {
            Kept::Nothing => self.exceptions,
            Kept::Exceptions => self.older_form,
        };
        !exceptions && !self.atomics && !self.memories.iter().any(|memory| memory.shared)
    }

    fn function_type_found(&mut self, ty: CompositeInnerType) {
        let CompositeInnerType::Func(ty) = ty else {
            self.types.push(None);
            return;
        };
        for parameter in ty.params() {
            self.value(*parameter);
        }
        for result in ty.results() {
            self.value(*result);
        }
        self.types.push(Some(ty));
    }

    /// Records a type in use; true for references to exceptions.
    fn value(&mut self, ty: ValType) -> bool {
        matches!(ty, ValType::Ref(reference) if self.heap(reference.heap_type()))
    }

    fn heap(&mut self, ty: HeapType) -> bool {
        let found = is_exception(ty);
        self.exceptions |= found;
        self.references |= found;
        found
    }

    fn import(&mut self, module: &str, name: &str, ty: TypeRef) -> Lowered {
        match ty {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                self.functions.push(ty);
                self.imported_functions += 1;
            }
            TypeRef::Table(_) => self.tables += 1,
            TypeRef::Memory(memory) => {
                self.memories.push(memory);
                self.imported_memories += 1;
            }
            TypeRef::Global(_) => self.globals += 1,
            TypeRef::Tag(_) => {
                return Err(Error::UserError(anyhow!(
                    "it imports the exception tag {name:?} of {module:?}, which no host provides; link the module that \
                     defines the tag into it"
                )));
            }
        }
        Ok(())
    }

    fn tag(&mut self, ty: u32) {
        self.exceptions = true;
        self.tags.push(ty);
        let payload = self.types.get(ty as usize).and_then(Option::as_ref);
        let carries_reference =
            payload.is_some_and(|ty| ty.params().iter().any(|ty| is_exception_reference(*ty)));
        self.references_escape |= carries_reference;
    }

    fn code(&mut self, function: u32, body: &FunctionBody<'_>, calls: &mut Calls) -> Lowered {
        for local in body.get_locals_reader()? {
            self.value(local?.1);
        }
        scan::operators(self, function, body, calls)
    }

    /// Whether a function returns a reference to an exception.
    fn returns_references(&self) -> bool {
        let returning = |ty: &FuncType| ty.results().iter().any(|ty| is_exception_reference(*ty));
        let returning: Vec<bool> = self.types.iter().map(|ty| ty.as_ref().is_some_and(returning)).collect();
        self.functions.iter().any(|ty| returning.get(*ty as usize).copied().unwrap_or(false))
    }

    /// A function may throw if it throws itself, or calls one that may.
    fn find_throwing(&mut self, calls: &Calls) {
        self.throws = vec![false; self.functions.len()];
        if !self.anything_throws {
            return;
        }
        let mut callers = calls.edges.clone();
        callers.sort_unstable_by_key(|(_, callee)| *callee);
        let mut found = calls.throwing.clone();
        while let Some(function) = found.pop() {
            let Some(throws @ false) = self.throws.get_mut(function as usize) else { continue };
            *throws = true;
            let first = callers.partition_point(|(_, callee)| *callee < function);
            let of_function = callers.get(first..).unwrap_or_default();
            found.extend(
                of_function.iter().take_while(|(_, callee)| *callee == function).map(|(caller, _)| *caller),
            );
        }
    }

    pub(crate) fn throws(&self, function: u32) -> bool {
        self.throws.get(function as usize).copied().unwrap_or(false)
    }

    pub(crate) fn function_count(&self) -> u32 {
        u32::try_from(self.functions.len()).unwrap_or(u32::MAX)
    }

    /// The index of a function's type.
    pub(crate) fn type_of(&self, function: u32) -> Lowered<u32> {
        let ty = self.functions.get(function as usize).copied();
        ty.context("unknown function").map_err(Error::UserError)
    }

    /// The number of types.
    pub(crate) fn type_count(&self) -> u32 {
        u32::try_from(self.types.len()).unwrap_or(u32::MAX)
    }

    /// The function type with this index.
    pub(crate) fn function_type(&self, index: u32) -> Lowered<&FuncType> {
        let ty = self.types.get(index as usize).and_then(Option::as_ref);
        ty.context("unknown function type").map_err(Error::UserError)
    }
}
