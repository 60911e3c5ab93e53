//! Bounds on what the engine processes without a pause, which the specification does not have. The messages are the
//! engine's.

use std::ops::Range;

use wasmparser_263::{
    BlockType, BrTable, ConstExpr, DataKind, ElementItems, ElementKind, FrameKind, FuncValidator,
    FunctionBody, Operator, Payload, Result, ValType, ValidatorResources, WasmModuleResources,
};

/// The most types, imports, exports and globals, of each.
const MAX_ENTRIES: u32 = 100_000;
/// The most tables and memories.
const MAX_TABLES: u32 = 64;
const MAX_MEMORIES: u32 = 16;
/// The most locals of a function, its parameters among them. A vector counts as two.
const MAX_LOCALS: u32 = 25_000;
/// The most nested blocks of a function, itself among them.
const MAX_BLOCKS: usize = 50_000;
/// The longest name of an import or export, in bytes.
const MAX_NAME_BYTES: usize = 4_000;
/// The most operands on a function's stack.
const MAX_OPERANDS: usize = 2_000;

/// The most operators of a constant expression, its `end` included.
const MAX_OPERATORS: usize = 256;
/// Maximum of a branch table's targets, times one more than the values that each takes.
const MAX_TARGETS: usize = 65_520;
/// Opcode of `br_table`.
const BR_TABLE: u8 = 0x0e;

/// An item beyond a bound, and its position.
#[derive(Debug)]
pub(super) struct Beyond {
    pub(super) offset: u64,
    pub(super) reason: String,
}

/// Looks at the number of entries of a section.
pub(super) fn check_count(payload: &Payload<'_>) -> Option<Beyond> {
    let (count, range, what, limit): (u32, Range<u64>, _, _) = match payload {
        Payload::TypeSection(types) => (types.count(), types.range(), "types", MAX_ENTRIES),
        Payload::ImportSection(imports) => (imports.count(), imports.range(), "imports", MAX_ENTRIES),
        Payload::ExportSection(exports) => (exports.count(), exports.range(), "exports", MAX_ENTRIES),
        Payload::GlobalSection(globals) => (globals.count(), globals.range(), "globals", MAX_ENTRIES),
        Payload::TableSection(tables) => (tables.count(), tables.range(), "tables", MAX_TABLES),
        Payload::MemorySection(memories) => (memories.count(), memories.range(), "memories", MAX_MEMORIES),
        _ => return None,
    };
    let reason = || format!("{what} count exceeds limit of {limit}");
    (count > limit).then(|| Beyond { offset: range.start, reason: reason() })
}

/// Looks at the names of imports and exports.
pub(super) fn check_names(payload: &Payload<'_>) -> Result<Option<Beyond>> {
    let beyond = |offset, name: &str| {
        let reason =
            || format!("name of an import or export is longer than the limit of {MAX_NAME_BYTES} bytes");
        (name.len() > MAX_NAME_BYTES).then(|| Beyond { offset, reason: reason() })
    };
    match payload {
        Payload::ImportSection(imports) => {
            for import in imports.clone().into_imports_with_offsets() {
                let (offset, import) = import?;
                if let Some(beyond) = beyond(offset, import.module).or_else(|| beyond(offset, import.name)) {
                    return Ok(Some(beyond));
                }
            }
        }
        Payload::ExportSection(exports) => {
            for export in exports.clone().into_iter_with_offsets() {
                let (offset, export) = export?;
                if let Some(beyond) = beyond(offset, export.name) {
                    return Ok(Some(beyond));
                }
            }
        }
        _ => {}
    }
    Ok(None)
}

/// Looks at the constant expressions of a section.
pub(super) fn check_expressions(payload: &Payload<'_>) -> Result<Option<Beyond>> {
    let mut found = None;
    let mut look = |expression: &ConstExpr<'_>| {
        found = found.take().or_else(|| long_expression(expression));
    };
    match payload {
        Payload::GlobalSection(globals) => {
            for global in globals.clone() {
                look(&global?.init_expr);
            }
        }
        Payload::DataSection(segments) => {
            for segment in segments.clone() {
                if let DataKind::Active { offset_expr, .. } = segment?.kind {
                    look(&offset_expr);
                }
            }
        }
        Payload::ElementSection(segments) => {
            for segment in segments.clone() {
                let segment = segment?;
                if let ElementKind::Active { offset_expr, .. } = &segment.kind {
                    look(offset_expr);
                }
                if let ElementItems::Expressions(_, expressions) = segment.items {
                    for expression in expressions {
                        look(&expression?);
                    }
                }
            }
        }
        _ => {}
    }
    Ok(found)
}

fn long_expression(expression: &ConstExpr<'_>) -> Option<Beyond> {
    let reader = expression.get_binary_reader();
    // Each operator takes at least a byte.
    if reader.bytes_remaining() <= MAX_OPERATORS
        || expression.get_operators_reader().into_iter().count() <= MAX_OPERATORS
    {
        return None;
    }
    let reason = format!("constant expression has more operators than the limit of {MAX_OPERATORS}");
    Some(Beyond { offset: reader.original_position(), reason })
}

/// Looks at a function's locals.
fn check_locals(
    validator: &FuncValidator<ValidatorResources>,
    body: &FunctionBody<'_>,
) -> Result<Option<Beyond>> {
    let cells = |ty: ValType| if ty == ValType::V128 { 2 } else { 1 };
    let params = (0..validator.len_locals()).filter_map(|index| validator.get_local_type(index));
    let mut count: u32 = params.map(cells).sum();
    let mut locals = body.get_locals_reader()?;
    for _ in 0..locals.get_count() {
        let offset = locals.original_position();
        let (amount, ty) = locals.read()?;
        count = count.saturating_add(amount.saturating_mul(cells(ty)));
        if count > MAX_LOCALS {
            let reason = format!(
                "too many locals: they exceed the limit of {MAX_LOCALS}, where a vector counts as two"
            );
            return Ok(Some(Beyond { offset, reason }));
        }
    }
    Ok(None)
}

/// Looks at how much a function has on its stacks.
fn check_stacks(validator: &FuncValidator<ValidatorResources>, offset: u64) -> Option<Beyond> {
    let reason = match () {
        () if validator.control_stack_height() as usize > MAX_BLOCKS => {
            format!("blocks are nested deeper than the limit of {MAX_BLOCKS}")
        }
        () if validator.operand_stack_height() as usize > MAX_OPERANDS => {
            format!("more operands on the stack than the limit of {MAX_OPERANDS}")
        }
        () => return None,
    };
    Some(Beyond { offset, reason })
}

/// Validates a function, of which nothing may be beyond a bound.
pub(super) fn validate_function(
    validator: &mut FuncValidator<ValidatorResources>,
    body: &FunctionBody<'_>,
) -> Result<Option<Beyond>> {
    if let Some(beyond) = check_locals(validator, body)? {
        return Ok(Some(beyond));
    }
    let bytes = body.as_bytes();
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader)?;
    reader.set_features(*validator.features());
    while !reader.eof() {
        let offset = reader.original_position();
        let at = usize::try_from(offset - body.range().start).ok();
        if at.and_then(|at| bytes.get(at)) == Some(&BR_TABLE) {
            let operator = reader.peek_operator(&validator.visitor(offset))?;
            if let Operator::BrTable { targets } = &operator
                && let Some(reason) = long_table(targets, validator)
            {
                return Ok(Some(Beyond { offset, reason }));
            }
        }
        reader.visit_operator(&mut validator.visitor(offset))??;
        if let Some(beyond) = check_stacks(validator, offset) {
            return Ok(Some(beyond));
        }
    }
    reader.finish_expression(&validator.visitor(reader.original_position()))?;
    Ok(None)
}

fn long_table(table: &BrTable<'_>, validator: &FuncValidator<ValidatorResources>) -> Option<String> {
    let (targets, values) = (table.len() as usize, values(table.default(), validator));
    if targets > MAX_TARGETS {
        return Some("br_table size is out of bounds".to_owned());
    }
    (targets.saturating_mul(values + 1) > MAX_TARGETS).then(|| {
        format!(
            "br_table of {targets} targets with {values} values each: targets times one more than the values exceeds the limit of \
             {MAX_TARGETS}"
        )
    })
}

/// The number of values that a branch carries. A branch without a target is invalid.
fn values(depth: u32, validator: &FuncValidator<ValidatorResources>) -> usize {
    let Some(frame) = validator.get_control_frame(depth as usize) else { return 0 };
    match (frame.block_type, frame.kind) {
        (BlockType::Empty, _) | (BlockType::Type(_), FrameKind::Loop) => 0,
        (BlockType::Type(_), _) => 1,
        (BlockType::FuncType(index), kind) => {
            let ty = validator.resources().sub_type_at(index).map(|ty| &ty.composite_type.inner);
            match ty {
                Some(wasmparser_263::CompositeInnerType::Func(ty)) if kind == FrameKind::Loop => {
                    ty.params().len()
                }
                Some(wasmparser_263::CompositeInnerType::Func(ty)) => ty.results().len(),
                _ => 0,
            }
        }
    }
}
