//! The proposals that a module uses, and their support.

use std::collections::BTreeSet;

use wasmparser_263::{
    BlockType, CompositeInnerType, GlobalType, HeapType, MemoryType, Operator, SubType, TableType, ValType,
    for_each_operator,
};

/// Support for a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The engine supports it.
    Runs,
    /// Rewritten when the boot package is built.
    Rewritten,
    /// Only generated code supports it.
    Compiled,
    /// A module that uses it does not start, and no engine is planned yet.
    Missing,
}

impl State {
    /// Whether a module of the boot package runs with it, interpreted or `compiled`.
    pub fn runs(self, compiled: bool) -> bool {
        match self {
            Self::Runs | Self::Rewritten => true,
            Self::Compiled => compiled,
            Self::Missing => false,
        }
    }
}

/// An extension of the first version of WebAssembly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proposal(&'static str);

impl Proposal {
    /// Its official name.
    pub fn name(self) -> &'static str {
        match self.0 {
            "sign_extension" => "sign extension",
            "gc" => "garbage collection",
            "saturating_float_to_int" => "saturating float to int",
            "bulk_memory" => "bulk memory",
            "reference_types" => "reference types",
            "tail_call" => "tail calls",
            "simd" => "SIMD",
            "relaxed_simd" => "relaxed SIMD",
            "exceptions" => "exceptions",
            "legacy_exceptions" => "exceptions, older form",
            "function_references" => "function references",
            "stack_switching" => "stack switching",
            "wide_arithmetic" => "wide arithmetic",
            "memory_control" => "memory control",
            "custom_descriptors" => "custom descriptors",
            "shared_everything_threads" => "shared-everything threads",
            "acquire_release_atomics" => "acquire-release atomics",
            "multibyte_array_access" => "multibyte array access",
            "compact_imports" => "compact imports",
            "multi_value" => "multiple values",
            "multi_memory" => "multiple memories",
            "memory64" => "64-bit memories",
            "custom_page_sizes" => "custom page sizes",
            "extended_const" => "extended constants",
            "mutable_global" => "mutable globals, imported or exported",
            other => other,
        }
    }

    /// Returns its support.
    pub fn state(self) -> State {
        match self.0 {
            "sign_extension"
            | "saturating_float_to_int"
            | "bulk_memory"
            | "reference_types"
            | "tail_call"
            | "simd"
            | "relaxed_simd"
            | "multi_value"
            | "multi_memory"
            | "wide_arithmetic"
            | "extended_const"
            | "mutable_global" => State::Runs,
            "exceptions" | "legacy_exceptions" | "threads" => State::Rewritten,
            "gc" | "function_references" | "memory64" => State::Compiled,
            _ => State::Missing,
        }
    }
}

/// The proposals found so far.
#[derive(Debug, Default)]
pub(super) struct Found(BTreeSet<Proposal>);

macro_rules! define_proposal_of {
    ($( @$proposal:ident $operator:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        fn proposal_of(operator: &Operator<'_>) -> &'static str {
            match operator {
                $(Operator::$operator { .. } => stringify!($proposal),)*
                _ => "unknown",
            }
        }
    };
}
for_each_operator!(define_proposal_of);

impl Found {
    pub(super) fn list(self) -> Vec<Proposal> {
        self.0.into_iter().collect()
    }

    pub(super) fn add(&mut self, name: &'static str) {
        self.0.insert(Proposal(name));
    }

    pub(super) fn operator(&mut self, operator: &Operator<'_>) {
        let proposal = proposal_of(operator);
        if proposal != "mvp" {
            self.add(proposal);
        }
        match operator {
            Operator::Block { blockty: BlockType::FuncType(_) }
            | Operator::Loop { blockty: BlockType::FuncType(_) }
            | Operator::If { blockty: BlockType::FuncType(_) } => self.add("multi_value"),
            Operator::Block { blockty: BlockType::Type(ty) }
            | Operator::Loop { blockty: BlockType::Type(ty) }
            | Operator::If { blockty: BlockType::Type(ty) }
            | Operator::TypedSelect { ty } => self.value(*ty),
            Operator::RefNull { hty } => self.heap(*hty),
            Operator::CallIndirect { table_index: 1.., .. } => self.add("reference_types"),
            _ => {}
        }
    }

    /// Examines a constant expression's operator.
    pub(super) fn constant(&mut self, operator: &Operator<'_>) {
        match operator {
            Operator::I32Add
            | Operator::I32Sub
            | Operator::I32Mul
            | Operator::I64Add
            | Operator::I64Sub
            | Operator::I64Mul => self.add("extended_const"),
            Operator::RefFunc { .. } => self.add("reference_types"),
            Operator::RefNull { hty } => self.heap(*hty),
            other => self.operator(other),
        }
    }

    pub(super) fn value(&mut self, ty: ValType) {
        match ty {
            ValType::V128 => self.add("simd"),
            ValType::Ref(reference) => {
                self.heap(reference.heap_type());
                if !reference.is_nullable() {
                    self.add("function_references");
                }
            }
            ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64 => {}
        }
    }

    /// Examines a type; `alone` means that it is not in a group.
    pub(super) fn ty(&mut self, ty: &SubType, alone: bool) {
        if !alone || !ty.is_final || !ty.supertype_idxs.is_empty() {
            self.add("gc");
        }
        let composite = &ty.composite_type;
        match &composite.inner {
            CompositeInnerType::Func(_) => {}
            CompositeInnerType::Array(_) | CompositeInnerType::Struct(_) => self.add("gc"),
            CompositeInnerType::Cont(_) => self.add("stack_switching"),
        }
        if composite.shared {
            self.add("shared_everything_threads");
        }
        if composite.descriptor_idx.is_some() || composite.describes_idx.is_some() {
            self.add("custom_descriptors");
        }
    }

    pub(super) fn global(&mut self, ty: &GlobalType) {
        self.value(ty.content_type);
        if ty.shared {
            self.add("shared_everything_threads");
        }
    }

    fn heap(&mut self, ty: HeapType) {
        use wasmparser_263::AbstractHeapType as Abstract;
        if matches!(ty, HeapType::Abstract { shared: true, .. }) {
            self.add("shared_everything_threads");
        }
        match ty {
            HeapType::Abstract { ty: Abstract::Func | Abstract::Extern, .. } => self.add("reference_types"),
            HeapType::Abstract { ty: Abstract::Exn | Abstract::NoExn, .. } => self.add("exceptions"),
            HeapType::Abstract { ty: Abstract::Cont | Abstract::NoCont, .. } => self.add("stack_switching"),
            HeapType::Abstract { .. } => self.add("gc"),
            HeapType::Concrete(_) => self.add("function_references"),
            HeapType::Exact(_) => self.add("custom_descriptors"),
        }
    }

    pub(super) fn memory(&mut self, ty: &MemoryType) {
        if ty.memory64 {
            self.add("memory64");
        }
        if ty.shared {
            self.add("threads");
        }
        if ty.page_size_log2.is_some() {
            self.add("custom_page_sizes");
        }
    }

    pub(super) fn table(&mut self, ty: &TableType) {
        if ty.element_type != wasmparser_263::RefType::FUNCREF {
            self.value(ty.element_type.into());
        }
        if ty.table64 {
            self.add("memory64");
        }
        if ty.shared {
            self.add("shared_everything_threads");
        }
    }
}
