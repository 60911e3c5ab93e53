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
fn too_many_entries_are_refused() {
    let exports = |count: usize| -> String {
        (0..count).map(|name| format!("(export \"{name}\" (func $f))")).collect()
    };
    // `_start` and the memory are exports, too, and `_start` has a type.
    assert_eq!(end(&format!("(func $f) {}", exports(99_998))), End::Exited(0));
    refused(&format!("(func $f) {}", exports(99_999)), "exports count exceeds limit of 100000");
    refused(&"(type (func))".repeat(100_001), "types count exceeds limit of 100000");
    refused(&"(global i32 (i32.const 0))".repeat(100_001), "globals count exceeds limit of 100000");
    refused(&"(table 0 funcref)".repeat(65), "tables count exceeds limit of 64");
    refused(&"(memory 0)".repeat(16), "memories count exceeds limit of 16");
}

/// A program whose `_start` has this body.
fn body_end(body: &str) -> End {
    let mut world = World::new();
    world.run(
        world.program(&format!(r#"(module (memory (export "memory") 1) (func (export "_start") {body}))"#)),
    )
}

/// At a bound a function runs; beyond it is refused when the module is loaded.
#[test]
fn functions_beyond_bounds_are_refused() {
    let nested = |depth: usize| format!("{} {}", "block ".repeat(depth), "end ".repeat(depth));
    let ifs = |depth: usize| format!("{} {}", "(i32.const 1) if ".repeat(depth), "end ".repeat(depth));
    let operands = |count: usize| format!("{} {}", "local.get 0 ".repeat(count), "drop ".repeat(count));
    let locals = |count: usize, ty: &str| format!("(local {}) {}", format!("{ty} ").repeat(count), nested(1));
    for (fits, beyond, reason) in [
        (nested(49_999), nested(50_000), "blocks are nested deeper than the limit of 50000"),
        (ifs(49_999), ifs(200_000), "blocks are nested deeper than the limit of 50000"),
        (
            format!("(local i32) {}", operands(2_000)),
            format!("(local i32) {}", operands(2_001)),
            "more operands on the stack than the limit of 2000",
        ),
        (locals(25_000, "i32"), locals(25_001, "i32"), "they exceed the limit of 25000"),
        (locals(12_500, "v128"), locals(12_501, "v128"), "they exceed the limit of 25000"),
    ] {
        assert_eq!(body_end(&fits), End::Exited(0));
        match body_end(&beyond) {
            End::FailedToStart(told) => assert!(told.contains(reason), "{told}"),
            end => panic!("{end}"),
        }
    }
}

/// Most locals, vectors among them, and most operands above them fit the engine's slots together.
#[test]
fn the_most_locals_and_operands_fit_together() {
    let most = |locals: usize, ty: &str| {
        let pushed = "local.get 0 ".repeat(1_999);
        format!(
            "(local {}) {pushed} (local.set 1 (local.get 2)) (block) {}",
            format!("{ty} ").repeat(locals),
            "drop ".repeat(1_999)
        )
    };
    assert_eq!(body_end(&most(25_000, "i64")), End::Exited(0));
    assert_eq!(body_end(&most(12_500, "v128")), End::Exited(0));
}

/// Long tables of branches are read, checked and translated in steps, and do what short ones do.
#[test]
fn long_branch_tables_branch() {
    let table = format!("{} {} 2", "0 ".repeat(30_000), "1 ".repeat(30_000));
    for (index, wanted) in [(0, 1), (29_999, 1), (30_000, 2), (59_999, 2), (60_000, 0), (-1, 0)] {
        for operand in [format!("(i32.const {index})"), "(local.get 0)".to_owned()] {
            let body = format!(
                "(local i32 i32) (local.set 0 (i32.const {index}))
                 (block (block (block (br_table {table} {operand})) (local.set 1 (i32.const 1)) (br 1))
                    (local.set 1 (i32.const 2)) (br 0))
                 (if (i32.ne (local.get 1) (i32.const {wanted})) (then unreachable))"
            );
            assert_eq!(body_end(&body), End::Exited(0), "{index} {operand}");
        }
    }
}

/// The values go along, whatever lies below them.
#[test]
fn long_branch_tables_of_values_branch() {
    let table = format!("{} {} 1", "0 ".repeat(40), "1 ".repeat(40));
    for (index, wanted) in [(0, 105), (39, 105), (40, 5), (79, 5), (80, 5)] {
        let body = format!(
            "(local i32 i32) (local.set 0 (i32.const {index})) (local.set 1 (i32.const 5))
             (local.set 1 (block (result i32) (i32.add (i32.const 100)
                (block (result i32) (br_table {table} (local.get 1) (local.get 0))))))
             (if (i32.ne (local.get 1) (i32.const {wanted})) (then unreachable))"
        );
        assert_eq!(body_end(&body), End::Exited(0), "{index}");
    }
    let dead = format!("unreachable br_table {} 0", "0 ".repeat(1_000));
    assert!(matches!(body_end(&dead), End::Trap(_)));
    // A target whose values differ is found in whichever part it is.
    let mixed = |at: usize| format!("{} 1 {} 0", "0 ".repeat(at), "0 ".repeat(2_000 - at));
    for at in [0, 1_000, 2_000] {
        let body = format!(
            "(drop (block (result i32) (block (br_table {} (i32.const 0))) (i32.const 1)))",
            mixed(at)
        );
        match body_end(&body) {
            End::FailedToStart(told) => assert!(told.contains("type mismatch"), "{told}"),
            end => panic!("{end}"),
        }
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
