//! The start function: the initialisation that JavaScript code performs for this Ruby, in the same order.

use std::convert::Infallible;

use anyhow::Result;
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, Function, FunctionSection, MemArg, MemArgTarget, Module,
    TypeSection,
};
use wasmparser_263::{
    CodeSectionReader, ExportSectionReader, FunctionSectionReader, Parser, TypeSectionReader,
};

use crate::module::Shape;

/// Ruby's own arguments: no package manager, which takes longer to load than everything else; the source encoding; and
/// an empty program, since the real one follows.
const ARGUMENTS: [&str; 4] = ["ruby", "--disable=gems", "-EUTF-8", "-e_=0"];

/// The locals of the start function.
const LIST: u32 = 0;
const TEXT: u32 = 1;

/// The module with a function `_start` that evaluates `text`.
pub(crate) fn add(module: &[u8], text: &str) -> Result<Vec<u8>> {
    let shape = Shape::of(module)?;
    let function = start(&shape, text)?;
    let mut made = Module::new();
    AddStart { shape, function }.parse_core_module(&mut made, Parser::new(0), module)?;
    Ok(made.finish())
}

/// Strings and lists are passed to this Ruby as the component model lowers them: in memory that it allocates itself,
/// a list as the addresses and lengths of its strings. C code reads them, so each string ends with a NUL.
fn start(shape: &Shape, text: &str) -> Result<Function> {
    let allocate = shape.export("cabi_realloc")?;
    let mut function = Function::new([(2, wasm_encoder::ValType::I32)]);
    let mut code = function.instructions();
    code.call(shape.export("_initialize")?);

    let pair = 8;
    code.i32_const(0).i32_const(0).i32_const(4).i32_const(ARGUMENTS.len() as i32 * pair).call(allocate);
    code.local_set(LIST);
    for (argument, place) in ARGUMENTS.iter().zip((0u64..).step_by(8)) {
        let length = store(&mut code, allocate, argument);
        code.local_get(LIST).local_get(TEXT).i32_store(at(place, 2));
        code.local_get(LIST).i32_const(length).i32_store(at(place + 4, 2));
    }
    code.local_get(LIST).i32_const(ARGUMENTS.len() as i32).call(shape.export("ruby-init")?);

    let length = store(&mut code, allocate, text);
    code.local_get(TEXT).i32_const(length).call(shape.export("rb-eval-string-protect")?);
    code.drop().end();
    Ok(function)
}

/// Stores a string and its NUL in new memory, whose address is then in `TEXT`. Returns its length.
fn store(code: &mut wasm_encoder::InstructionSink<'_>, allocate: u32, text: &str) -> i32 {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    let length = bytes.len() as i32;
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    code.i32_const(0).i32_const(0).i32_const(1).i32_const(bytes.len() as i32).call(allocate).local_set(TEXT);
    let (words, _) = bytes.as_chunks::<8>();
    for (word, place) in words.iter().zip((0u64..).step_by(8)) {
        code.local_get(TEXT).i64_const(i64::from_le_bytes(*word)).i64_store(at(place, 0));
    }
    length
}

fn at(offset: u64, align: u32) -> MemArg {
    MemArg { offset, align, target: MemArgTarget::Memory(0), ordering: None }
}

/// Copies a module and appends the function, so that no index changes.
struct AddStart {
    shape: Shape,
    function: Function,
}

type Copied = Result<(), Error<Infallible>>;

impl Reencode for AddStart {
    type Error = Infallible;

    fn parse_type_section(&mut self, types: &mut TypeSection, section: TypeSectionReader<'_>) -> Copied {
        utils::parse_type_section(self, types, section)?;
        types.ty().function([], []);
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Copied {
        utils::parse_function_section(self, functions, section)?;
        functions.function(self.shape.types);
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: ExportSectionReader<'_>,
    ) -> Copied {
        utils::parse_export_section(self, exports, section)?;
        exports.export("_start", ExportKind::Func, self.shape.functions);
        Ok(())
    }

    fn parse_code_section(&mut self, code: &mut CodeSection, section: CodeSectionReader<'_>) -> Copied {
        utils::parse_code_section(self, code, section)?;
        code.function(&self.function);
        Ok(())
    }
}
