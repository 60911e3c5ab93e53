//! Whether instances of a module can move to another engine: whether all state that their code can change is exported.
//!
//! Tables are not exported. They begin the same on every engine, so they must not change.

use super::inventory::{Inventory, unreadable};
use crate::pace::{ITEM_WORK, Pace, STOPPED};
use wasmparser::{ConstExpr, DataKind, FunctionBody, Operator, Parser, Payload};

/// Operators between two looks at the pace.
const LOOK: usize = 64;

/// The state to move, with what is known of how it begins.
#[derive(Debug)]
pub(crate) struct Movable {
    pub(super) state: Inventory,
    /// The length of the part of each memory that active data segments may have initialized; the rest begins with zeros.
    pub(super) initialized_bytes: Vec<u64>,
}

/// Reads a valid module. The error says why its instances cannot move.
pub(crate) async fn movable(module: &[u8], pace: &mut Pace) -> Result<Movable, String> {
    let state = Inventory::read(module, pace).await?;
    let mut initialized_bytes = vec![0; state.memories as usize];
    let mut segments = Segments::default();
    for payload in Parser::new(0).parse_all(module) {
        pace.spend(ITEM_WORK).await;
        match payload.map_err(|error| unreadable(&error))? {
            Payload::CodeSectionEntry(body) => segments.check(&body, pace).await?,
            Payload::DataSection(data) => {
                for segment in data {
                    let segment = segment.map_err(|error| unreadable(&error))?;
                    if let DataKind::Active { memory_index, offset_expr } = segment.kind
                        && let Some(bytes) = initialized_bytes.get_mut(memory_index as usize)
                    {
                        let start = constant(&offset_expr);
                        let end = start.map_or(u64::MAX, |start| start + segment.data.len() as u64);
                        *bytes = end.max(*bytes);
                    }
                    pace.spend(ITEM_WORK).await;
                }
            }
            _ => {}
        }
    }
    Ok(Movable { state, initialized_bytes })
}

/// The value of an expression that is a constant.
fn constant(expression: &ConstExpr<'_>) -> Option<u64> {
    let mut reader = expression.get_operators_reader();
    match (reader.read(), reader.read()) {
        (Ok(Operator::I32Const { value }), Ok(Operator::End)) => Some(value.cast_unsigned().into()),
        _ => None,
    }
}

/// The use of data segments. Whether one has been dropped cannot be seen, and matters to those that use it later.
#[derive(Default)]
struct Segments {
    are_used: bool,
    are_dropped: bool,
}

impl Segments {
    async fn check(&mut self, body: &FunctionBody<'_>, pace: &mut Pace) -> Result<(), String> {
        let mut reader = body.get_operators_reader().map_err(|error| unreadable(&error))?;
        let mut begun = reader.original_position();
        while !reader.eof() {
            for _ in 0..LOOK {
                if reader.eof() {
                    break;
                }
                self.check_operator(&reader.read().map_err(|error| unreadable(&error))?)?;
            }
            pace.spend(reader.original_position() - begun).await;
            if pace.is_stopped() {
                return Err(STOPPED.to_owned());
            }
            begun = reader.original_position();
        }
        Ok(())
    }

    fn check_operator(&mut self, operator: &Operator<'_>) -> Result<(), String> {
        let change = match operator {
            Operator::TableSet { .. } => "table.set",
            Operator::TableGrow { .. } => "table.grow",
            Operator::TableFill { .. } => "table.fill",
            Operator::TableCopy { .. } => "table.copy",
            Operator::TableInit { .. } => "table.init",
            Operator::MemoryInit { .. } => {
                self.are_used = true;
                return self.check_segments();
            }
            Operator::DataDrop { .. } => {
                self.are_dropped = true;
                return self.check_segments();
            }
            _ => return Ok(()),
        };
        Err(format!("its code can change a table ({change})"))
    }

    fn check_segments(&self) -> Result<(), String> {
        match self.are_used && self.are_dropped {
            true => Err("its code uses data segments and drops some (memory.init, data.drop)".to_owned()),
            false => Ok(()),
        }
    }
}
