//! Copying a module: its functions rewritten, one more global, and wrappers for what can be called from outside.

use anyhow::{Error as Problem, Result};
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{CodeSection, ConstExpr, Function, FunctionSection, GlobalSection, GlobalType, ValType};
use wasmparser_263 as read;
use wasmparser_263::{AbstractHeapType, HeapType};

use crate::body;
use crate::shape::Shape;

type Copied = Result<(), Error<Problem>>;

pub(crate) struct Rewrite {
    pub(crate) shape: Shape,
    /// Functions of the module's own that have been copied.
    copied: u32,
}

impl Rewrite {
    pub(crate) fn new(shape: Shape) -> Self {
        Self { shape, copied: 0 }
    }

    /// The global that holds the exception on its way.
    pub(crate) fn exception(&self) -> u32 {
        self.shape.globals
    }

    /// Calls a function and traps when an exception leaves it.
    fn wrapper(&self, function: u32) -> Result<Function> {
        let ty = self.shape.function_type(self.shape.type_index(function)?)?;
        let mut wrapper = Function::new([]);
        let mut code = wrapper.instructions();
        for (parameter, _) in (0u32..).zip(ty.params()) {
            code.local_get(parameter);
        }
        code.call(function).global_get(self.exception()).i64_eqz().i32_eqz();
        code.if_(wasm_encoder::BlockType::Empty).unreachable().end().end();
        Ok(wrapper)
    }
}

/// Whether this is the type of references to exceptions.
pub(crate) fn is_exception(ty: HeapType) -> bool {
    matches!(ty, HeapType::Abstract { ty: AbstractHeapType::Exn | AbstractHeapType::NoExn, .. })
}

impl Reencode for Rewrite {
    type Error = Problem;

    fn val_type(&mut self, ty: read::ValType) -> Result<ValType, Error<Problem>> {
        match ty {
            read::ValType::Ref(reference) if is_exception(reference.heap_type()) => Ok(ValType::I64),
            other => utils::val_type(self, other),
        }
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: read::FunctionSectionReader<'_>,
    ) -> Copied {
        utils::parse_function_section(self, functions, section)?;
        for entry in &self.shape.entries {
            functions.function(self.shape.type_index(*entry).map_err(Error::UserError)?);
        }
        Ok(())
    }

    fn parse_global_section(
        &mut self,
        globals: &mut GlobalSection,
        section: read::GlobalSectionReader<'_>,
    ) -> Copied {
        utils::parse_global_section(self, globals, section)?;
        let ty = GlobalType { val_type: ValType::I64, mutable: true, shared: false };
        globals.global(ty, &ConstExpr::i64_const(0));
        Ok(())
    }

    fn parse_export(
        &mut self,
        exports: &mut wasm_encoder::ExportSection,
        mut export: read::Export<'_>,
    ) -> Copied {
        if export.kind == read::ExternalKind::Func {
            export.index = self.shape.wrapper(export.index);
        }
        utils::parse_export(self, exports, export)
    }

    fn start_section(&mut self, start: u32) -> Result<u32, Error<Problem>> {
        Ok(self.shape.wrapper(start))
    }

    fn parse_code_section(&mut self, code: &mut CodeSection, section: read::CodeSectionReader<'_>) -> Copied {
        utils::parse_code_section(self, code, section)?;
        for entry in &self.shape.entries {
            code.function(&self.wrapper(*entry).map_err(Error::UserError)?);
        }
        Ok(())
    }

    fn parse_function_body(&mut self, code: &mut CodeSection, function: read::FunctionBody<'_>) -> Copied {
        let index = self.shape.imported + self.copied;
        self.copied += 1;
        if !body::can_throw(&function, self.shape.imported)? {
            return utils::parse_function_body(self, code, function);
        }
        code.function(&body::rewrite(self, index, &function)?);
        Ok(())
    }
}
