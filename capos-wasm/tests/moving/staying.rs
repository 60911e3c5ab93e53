//! Instances that cannot move stay, say why once, and go on.

use super::{CALLS, COMPILED, INTERPRETED, MOVED, Moving};
use crate::support::{InProcess, second_machine};
use capos_wasm::EngineChoice;

fn module(items: &str) -> String {
    format!(
        r#"(module {items} (global $calls (mut i32) (i32.const 0))
        (func (export "count") (result i32)
            (global.set $calls (i32.add (global.get $calls) (i32.const 1))) (global.get $calls))
        (table $empty 1 funcref)
        (func (export "trap") (result i32) (call_indirect $empty (i32.const 0)) (i32.const 0)))"#
    )
}

/// Calls an instance often; it must stay on the interpreter. Returns what was noted.
fn notes_of(mut moving: Moving, items: &str) -> Vec<String> {
    let handle = moving.start(&module(items));
    for call in 1..2 * CALLS as i32 {
        assert_eq!(moving.number(&handle, "count"), call, "{items}");
    }
    let Err(error) = moving.call(&handle, "trap", &[]) else { panic!("it returned") };
    assert!(error.to_string().ends_with(INTERPRETED), "{items}: {error}");
    moving.notes()
}

#[test]
fn modules_whose_state_cannot_be_reached() {
    let table = |code: &str| format!("(table 4 funcref) (elem $e func) (func {code})");
    let globals = "(global (mut i32) (i32.const 0))".repeat(1024);
    for (items, reason) in [
        (&*table("(table.set (i32.const 0) (ref.null func))"), "its code can change a table (table.set)"),
        (
            &table("(drop (table.grow (ref.null func) (i32.const 1)))"),
            "its code can change a table (table.grow)",
        ),
        (
            &table("(table.fill (i32.const 0) (ref.null func) (i32.const 1))"),
            "its code can change a table (table.fill)",
        ),
        (
            &table("(table.copy (i32.const 0) (i32.const 1) (i32.const 1))"),
            "its code can change a table (table.copy)",
        ),
        (
            &table("(table.init $e (i32.const 0) (i32.const 0) (i32.const 0))"),
            "its code can change a table (table.init)",
        ),
        (
            r#"(memory 1) (data $d "x") (func (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1)) (data.drop $d))"#,
            "its code uses data segments and drops some (memory.init, data.drop)",
        ),
        ("(global (mut externref) (ref.null extern))", "it has a mutable global that holds references"),
        (&globals, "it has more than 1024 mutable globals"),
        (r#"(memory (export "capos:memory 0") 1)"#, "it exports \"capos:memory 0\", a reserved name"),
        (r#"(func (export "capos:global 0"))"#, "it exports \"capos:global 0\", a reserved name"),
    ] {
        let expected = format!("instance \"instance\" stays interpreted: {reason}");
        assert_eq!(notes_of(Moving::new(), items), [expected], "{items}");
    }
}

#[test]
fn modules_without_code() {
    let mut machine = second_machine();
    machine.instead = Some(Err("no memory".to_owned()));
    let notes = notes_of(Moving::with_machine(machine), "");
    assert_eq!(notes, ["a module stays interpreted, since it could not be compiled: no memory"]);
}

#[test]
fn code_that_cannot_be_instantiated() {
    for (instead, reason) in [
        // As many memories and globals, and data that does not fit.
        (
            r#"(module (memory (export "capos:memory 0") 1) (data (i32.const 65536) "x")
            (global (export "capos:global 0") (mut i32) (i32.const 0)))"#,
            "out of bounds memory access",
        ),
        ("(module)", "there is no such global"),
        (
            r#"(module (memory (export "capos:memory 0") 1 1)
            (global (export "capos:global 0") (mut i32) (i32.const 0)))"#,
            "failed to grow memory by `1`",
        ),
        (
            r#"(module (memory (export "capos:memory 0") 3)
            (global (export "capos:global 0") (mut i32) (i32.const 0)))"#,
            "its state is not accessible",
        ),
        (
            r#"(module (memory (export "capos:memory 0") 2)
            (global (export "capos:global 0") (mut i64) (i64.const 0)))"#,
            "type mismatch",
        ),
    ] {
        let mut machine = second_machine();
        machine.instead = Some(Ok(wat::parse_str(instead).expect("text")));
        let notes = notes_of(Moving::with_machine(machine), "(memory 2)");
        let [note] = &notes[..] else { panic!("{notes:?}") };
        let start = "instance \"instance\" stays interpreted: ";
        assert!(note.starts_with(start) && note.contains(reason), "{reason}: {note}");
    }
}

#[test]
fn the_compiler_may_take_its_time_until_somebody_waits() {
    let machine = InProcess { is_starved: true, ..second_machine() };
    let mut moving = Moving::with_machine(machine.clone());
    let handle = moving.start(&module(""));
    for _ in 1..CALLS {
        moving.number(&handle, "count");
        moving.world.turns(3);
    }
    assert_eq!(moving.notes(), [""; 0]);
    moving.number(&handle, "count");
    moving.world.turns(10);
    // The code is there, and the next call finds that.
    moving.number(&handle, "count");
    moving.world.turns(10);
    assert_eq!(moving.notes(), [MOVED]);

    // Another start waits too.
    for engine in [EngineChoice::Auto, EngineChoice::Compiler] {
        let mut moving = Moving::with_machine(machine.clone());
        let _first = moving.start(&module(""));
        moving.world.turns(10);
        let mut second = moving.served(&module(""));
        second.options.engine = Some(engine);
        let second = moving.world.host.start(second);
        moving.world.turns(10);
        let third = moving.start(&module(""));
        for handle in
            [Some(&third), (engine == EngineChoice::Compiler).then_some(&second)].into_iter().flatten()
        {
            let Err(error) = moving.call(handle, "trap", &[]) else { panic!("it returned") };
            assert!(error.to_string().ends_with(COMPILED), "{engine:?}: {error}");
        }
    }
}
