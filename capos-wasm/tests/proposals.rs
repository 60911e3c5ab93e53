//! WebAssembly beyond its first version: what runs, and what is refused by its name.

use crate::support::World;
use capos_wasm::{End, UnknownImports};

/// How a program ends that exits with what this leaves on the stack.
fn status(items: &str, value: &str) -> End {
    let program = format!(
        r#"(module
        (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
        (memory (export "memory") 1) {items}
        (func (export "_start") (call $proc_exit {value})))"#
    );
    let mut world = World::new();
    let spec = world.program(&program);
    world.run(spec)
}

fn refusal(program: &str, unknown: UnknownImports) -> String {
    let mut world = World::new();
    let mut spec = world.program(program);
    spec.options.unknown_imports = unknown;
    match world.run(spec) {
        End::FailedToStart(reason) => reason,
        end => panic!("{program}: {end}"),
    }
}

#[test]
fn vectors_run() {
    for (items, value) in [
        ("", "(i32x4.extract_lane 1 (i32x4.add (v128.const i32x4 1 6 3 4) (i32x4.splat (i32.const 7))))"),
        (
            "",
            "(i32.and (i32.const 15) (i8x16.bitmask (i8x16.shuffle 0 17 2 3 4 5 6 7 8 9 10 11 12 13 14 15
            (v128.const i8x16 -1 -1 -1 -1 0 0 0 0 0 0 0 0 0 0 0 0) (v128.const i64x2 0 0))))",
        ),
        (
            "(global $v (mut v128) (v128.const i64x2 0 0))
          (func $f (param v128) (result v128) (global.set $v (local.get 0)) (global.get $v))",
            "(i32.wrap_i64 (i64x2.extract_lane 1 (call $f (v128.const i64x2 5 13))))",
        ),
        // Relaxed.
        (
            "",
            "(i32x4.extract_lane 0 (i32x4.relaxed_trunc_f32x4_s (f32x4.relaxed_madd
            (f32x4.splat (f32.const 2)) (f32x4.splat (f32.const 5)) (f32x4.splat (f32.const 3)))))",
        ),
    ] {
        assert_eq!(status(items, value), End::Exited(13), "{value}");
    }
}

#[test]
fn other_proposals_that_the_engine_has_run() {
    for (items, value) in [
        (
            "(func $f (param i32) (result i32) (if (i32.eqz (local.get 0)) (then (return (i32.const 13))))
            (return_call $f (i32.sub (local.get 0) (i32.const 1))))",
            "(call $f (i32.const 200000))",
        ),
        ("(memory $m 1) (data (memory $m) (i32.const 8) \"\\0d\")", "(i32.load8_u $m (i32.const 8))"),
        (
            "(global $a i32 (i32.const 6)) (global $b i32 (i32.add (i32.const 7) (i32.const 6)))",
            "(global.get $b)",
        ),
        ("(func $f (result i32 i32) (i32.const 6) (i32.const 7))", "(i32.add (call $f))"),
    ] {
        assert_eq!(status(items, value), End::Exited(13), "{items}");
    }
}

#[test]
fn what_the_engine_does_not_have_is_refused_by_its_name() {
    for (program, proposal) in [
        ("(module (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))", "threads"),
        ("(module (memory 1 1 shared))", "threads"),
        ("(module (memory i64 1))", "64-bit memories"),
        ("(module (table i64 1 funcref))", "64-bit memories or tables"),
        ("(module (tag))", "exception handling"),
        ("(module (func (param exnref)))", "exception handling"),
        ("(module (type (struct)))", "garbage collection"),
        ("(module (func (param i31ref)))", "garbage collection"),
        ("(module (type $f (func)) (func (param (ref $f))))", "typed function references"),
        ("(component)", "a component"),
    ] {
        let reason = refusal(program, UnknownImports::Deny);
        let named = reason.contains(proposal) && reason.contains("not supported by this engine (wasmi)");
        assert!(named, "{program}: {reason}");
        // Who started it from a file learns where it would run.
        let rewritten = ["threads", "exception handling"].contains(&proposal);
        assert_eq!(reason.contains("modules in the boot package are rewritten"), rewritten, "{reason}");
    }
}

#[test]
fn a_module_that_is_wrong_is_not_taken_for_one_of_a_proposal() {
    let reason = refusal("(module (func (result i32)))", UnknownImports::Deny);
    assert!(reason.contains("not a valid module") && !reason.contains("not supported"), "{reason}");
}

#[test]
fn imports_of_other_kinds_are_refused_without_a_hint_that_does_not_help() {
    for (import, kind) in [
        ("(memory 1)", "memory"),
        ("(global i32)", "global"),
        ("(global (mut i32))", "global"),
        ("(table 1 funcref)", "table"),
    ] {
        for unknown in [UnknownImports::Deny, UnknownImports::Trap] {
            let reason = refusal(&format!(r#"(module (import "env" "x" {import}))"#), unknown);
            // The host command offers `--unknown-imports` for this wording.
            assert!(!reason.contains("unknown import"), "{reason}");
            assert!(reason.contains(&format!("it imports the {kind} \"x\" of \"env\"")), "{reason}");
        }
    }
    let reason = refusal(r#"(module (import "env" "x" (func)))"#, UnknownImports::Deny);
    assert!(reason.contains("unknown import \"x\" of \"env\""), "{reason}");
}

#[test]
fn what_can_be_seen_early_is_refused_before_anything_is_validated() {
    // The function's body is wrong.
    for (items, reason) in [
        ("(memory 2000)", "it needs 131072000 bytes of memory and its limit is 67108864"),
        ("(table 70000 funcref)", "it needs 70000 table elements and its limit is 65536"),
        (r#"(import "env" "x" (func))"#, "unknown import"),
    ] {
        let refused = refusal(&format!("(module {items} (func (result i32)))"), UnknownImports::Deny);
        assert!(refused.contains(reason), "{refused}");
    }
}
