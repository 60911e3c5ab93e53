//! Bounds on what the engine processes without a pause, which the specification does not have. The messages are the
//! engine's.

use wasmparser_263::{
    BlockType, BrTable, ConstExpr, DataKind, ElementItems, ElementKind, FrameKind, FuncValidator,
    FunctionBody, Operator, Payload, Result, ValidatorResources, WasmModuleResources,
};

/// Maximum number of operators in a constant expression, including its `end`.
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

/// Checks the constant expressions of a section.
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

/// Validates a function and checks the bound of its branch tables.
pub(super) fn validate_function(
    validator: &mut FuncValidator<ValidatorResources>,
    body: &FunctionBody<'_>,
) -> Result<Option<Beyond>> {
    if !body.as_bytes().contains(&BR_TABLE) {
        return validator.validate(body).map(|()| None);
    }
    validator.read_locals(&mut body.get_binary_reader())?;
    let mut operators = body.get_operators_reader()?;
    while !operators.eof() {
        let (operator, offset) = operators.read_with_offset()?;
        if let Operator::BrTable { targets } = &operator
            && let Some(reason) = long_table(targets, validator)
        {
            return Ok(Some(Beyond { offset, reason }));
        }
        validator.op(offset, &operator)?;
    }
    operators.finish()?;
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
