//! Units of fuel in wasmtime's own fuel, and what instructions cost in it.

use wasmtime::{OperatorCost, VariableOperatorCost, wasmparser::for_each_operator};

/// wasmtime's fuel for a unit. The least that a byte can cost is 1, and a unit is 64 bytes.
pub const FUEL_PER_UNIT: u64 = 64;

/// The most units that a store is given at once: as much as fits into wasmtime's counter.
pub const MOST_UNITS: u64 = (i64::MAX as u64) / FUEL_PER_UNIT - 1;

const INSTRUCTION: u8 = FUEL_PER_UNIT as u8;
const BYTE: u8 = 1;
/// An element of a table counts as four bytes, as on the other engine.
const ELEMENT: u8 = 4;

/// Instructions that wasmtime regards as free, since they generate no code, stay free; all others are a unit.
const FREE_OR_ONE: OperatorCost = OperatorCost::new();

const BULK: VariableOperatorCost = VariableOperatorCost {
    memory_copy_per_byte: BYTE,
    memory_fill_per_byte: BYTE,
    memory_init_per_byte: BYTE,
    table_copy_per_element: ELEMENT,
    table_fill_per_element: ELEMENT,
    table_init_per_element: ELEMENT,
    // These count what is requested, even if it is refused; limits bound what is granted.
    memory_grow_per_page: 0,
    table_grow_per_element: 0,
    // Arrays are not among the proposals that are on.
    ..VariableOperatorCost::new()
};

macro_rules! instructions {
    ($(@$proposal:ident $name:ident $({ $($argument:ident: $ty:ty),* })? => $visit:ident ($($annotation:tt)*))*) => {
        OperatorCost { $($name: INSTRUCTION * FREE_OR_ONE.$name,)* variable: BULK }
    };
}

/// The cost of each instruction.
pub(super) fn costs() -> OperatorCost {
    for_each_operator!(instructions)
}
