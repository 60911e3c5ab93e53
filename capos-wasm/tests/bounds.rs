//! Modules that exceed the engine's limits on what it processes at once.

use crate::support::World;
use capos_wasm::End;

/// The end of a module with these items and an empty `_start`.
fn end(items: &str) -> End {
    let mut world = World::new();
    world.run(
        world.program(&format!(r#"(module (memory (export "memory") 1) {items} (func (export "_start")))"#)),
    )
}

fn refused(items: &str, reason: &str) {
    match end(items) {
        End::FailedToStart(told) => assert!(told.contains(reason), "{told}"),
        end => panic!("{end}"),
    }
}

/// Such expressions are evaluated and dropped recursively, for which the host's stack would be too small.
#[test]
fn long_constant_expressions_are_refused() {
    let operands =
        |count: usize| format!("{} {}", "i32.const 1 ".repeat(count + 1), "i32.add ".repeat(count));
    assert_eq!(end(&format!("(global i32 {})", operands(127))), End::Exited(0));
    let reason = "constant expression has more operators than the limit of 256";
    for count in [128, 200_000] {
        refused(&format!("(global i32 {})", operands(count)), reason);
        refused(&format!("(data (offset {}) \"\")", operands(count)), reason);
        refused(&format!("(table 1 funcref) (elem (offset {}))", operands(count)), reason);
    }
}

#[test]
fn long_branch_tables_are_refused() {
    let table = |targets: usize| format!("(func (br_table {} 0 (i32.const 0)))", "0 ".repeat(targets));
    assert_eq!(end(&table(65_520)), End::Exited(0));
    refused(&table(65_521), "br_table size is out of bounds");
    let values = |targets: usize| {
        format!(
            "(func (drop (block (result i32) (i32.const 1) (br_table {} 0 (i32.const 0)))))",
            "0 ".repeat(targets)
        )
    };
    assert_eq!(end(&values(32_760)), End::Exited(0));
    refused(&values(32_761), "br_table of 32761 targets with 1 values each");
}
