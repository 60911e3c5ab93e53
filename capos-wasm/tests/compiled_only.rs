//! Proposals that only generated code supports.

#[cfg(feature = "compiled-code")]
use crate::support::second_machine;
use crate::support::{World, by_engine, exiting_with};
use capos_wasm::{End, Limits};
#[cfg(feature = "compiled-code")]
use std::rc::Rc;

/// Runs a program whose `_start` consists of these instructions, followed by an exit with the value that they leave.
fn end(items: &str, value: &str) -> End {
    let mut world = World::new();
    let mut spec = world.program(&exiting_with(items, value));
    spec.limits = Limits { memory_bytes: 4 << 20, ..spec.limits };
    world.run(spec)
}

/// Whether the engine under test generates code; the interpreter refuses these programs.
fn is_compiled() -> bool {
    by_engine(false, true)
}

#[test]
fn exceptions_are_thrown_and_caught() {
    if !is_compiled() {
        return;
    }
    let items = "(tag $t (param i32))
        (func $f (param i32) (if (i32.eqz (local.get 0)) (then (throw $t (i32.const 13))))
            (call $f (i32.sub (local.get 0) (i32.const 1))))";
    let value = "(block $l (result i32) (try_table (catch $t $l) (call $f (i32.const 100))) (i32.const 0))";
    assert_eq!(end(items, value), End::Exited(13));
}

#[test]
fn an_exception_that_is_not_caught_is_a_trap_as_where_it_is_rewritten() {
    if !is_compiled() {
        return;
    }
    match end("(tag $t)", "(throw $t)") {
        End::Trap(trap) => assert_eq!(trap.message, "uncaught exception"),
        other => panic!("{other}"),
    }
}

#[test]
fn structures_and_typed_references_run() {
    if !is_compiled() {
        return;
    }
    let items = "(type $s (struct (field (mut i32)))) (type $f (func (param i32) (result i32)))
        (func $next (type $f) (i32.add (local.get 0) (i32.const 1))) (elem declare func $next)
        (func $get (result i32) (local $s (ref $s))
            (local.set $s (struct.new $s (i32.const 12)))
            (call_ref $f (struct.get $s 0 (local.get $s)) (ref.func $next)))";
    assert_eq!(end(items, "(call $get)"), End::Exited(13));
}

/// Structures that refer to each other in a circle, and of which all but the last are garbage.
#[test]
fn garbage_is_collected_also_in_circles() {
    if !is_compiled() {
        return;
    }
    let items = "(type $s (struct (field (mut (ref null $s))) (field i64 i64 i64)))
        (func $make (local $n i32) (local $a (ref null $s)) (local $b (ref null $s))
            (loop $again
                (local.set $a (struct.new $s (ref.null $s) (i64.const 1) (i64.const 2) (i64.const 3)))
                (local.set $b (struct.new $s (local.get $a) (i64.const 1) (i64.const 2) (i64.const 3)))
                (struct.set $s 0 (local.get $a) (local.get $b))
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (br_if $again (i32.lt_u (local.get $n) (i32.const 200000)))))";
    assert_eq!(
        end(&format!("{items} (func $run (result i32) (call $make) (i32.const 13))"), "(call $run)"),
        End::Exited(13)
    );
}

#[test]
fn what_is_not_garbage_is_limited_by_the_memory_of_the_instance() {
    if !is_compiled() {
        return;
    }
    let items = "(type $s (struct (field (ref null $s)) (field i64 i64 i64)))
        (func $keep (result i32) (local $list (ref null $s))
            (loop $again
                (local.set $list (struct.new $s (local.get $list) (i64.const 1) (i64.const 2) (i64.const 3)))
                (br $again))
            (i32.const 0))";
    assert_eq!(end(items, "(call $keep)"), End::OutOfMemory);
}

/// With "auto" the first start waits for the code if the interpreter refuses the module.
#[cfg(feature = "compiled-code")]
#[test]
fn a_module_that_cannot_be_interpreted_is_compiled_at_its_first_start() {
    let program = r#"(module (type $s (struct (field i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
        (memory (export "memory") 1)
        (func (export "_start") (call $proc_exit (struct.get $s 0 (struct.new $s (i32.const 13))))))"#;
    for (program, end) in [
        (program, End::Exited(13)),
        ("(module (func (result i32)))", End::FailedToStart("type mismatch".to_owned())),
    ] {
        let notes = Rc::default();
        let mut world = World::with_machine(second_machine(), &notes);
        let spec = world.program(program);
        match (world.run(spec), end) {
            (End::FailedToStart(reason), End::FailedToStart(part)) => {
                assert!(reason.contains(&part), "{reason}")
            }
            (found, end) => assert_eq!(found, end),
        }
    }
}

#[test]
fn memories_with_64_bit_addresses_run_and_are_limited() {
    if !is_compiled() {
        return;
    }
    let items = "(memory $m i64 1)";
    let value = "(i32.store $m (i64.const 8) (i32.const 13)) (i32.load $m (i64.const 8))";
    assert_eq!(end(items, value), End::Exited(13));
    let grown = "(i32.wrap_i64 (memory.grow $m (i64.const 1000)))";
    assert_eq!(end(items, &format!("(i32.and (i32.const 255) {grown})")), End::Exited(255));
}
