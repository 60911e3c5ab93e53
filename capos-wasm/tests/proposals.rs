//! WebAssembly beyond its first version: what runs, and what is refused by name.

use crate::support::{World, by_engine, exiting_with};
use capos_wasm::{End, UnknownImports};

/// The end of a program that exits with the value that this leaves on the stack.
fn status(items: &str, value: &str) -> End {
    let mut world = World::new();
    let spec = world.program(&exiting_with(items, value));
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

/// Whether a refusal refers to what the module is or uses, rather than to a missing grant.
fn is_about_the_engine(reason: &str) -> bool {
    reason.contains(&format!("not supported by this engine ({})", by_engine("wasmi", "wasmtime")))
}

#[test]
fn each_proposal_runs_or_is_refused_by_its_name_with_what_is_to_run_it() {
    let table = include_str!("../../tests/files/proposals.txt");
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let [_, _, state, proposal, program] = line.splitn(5, " | ").collect::<Vec<_>>()[..] else {
            panic!("not five columns: {line}")
        };
        let runs = match state {
            "runs" => true,
            "compiled" => by_engine(false, true),
            // In its newer form.
            "rewritten" => by_engine(false, true) && proposal == "exception handling",
            _ => false,
        };
        if runs {
            let mut world = World::new();
            let spec = world.program(program);
            if let End::FailedToStart(reason) = world.run(spec) {
                assert!(reason.contains("exports no function _start"), "{program}: {reason}");
            }
            continue;
        }
        let elsewhere = match state {
            // A user who started it from a file is told where it would run.
            "rewritten" => "modules in the boot package are rewritten",
            "compiled" => "`engine: \"compiler\"` (--engine=compiler) runs it",
            "none" => "no engine here is to run it yet",
            other => panic!("no state: {other}"),
        };
        let reason = refusal(program, UnknownImports::Deny);
        let told = reason.contains(&format!("it uses {proposal}")) && reason.contains(elsewhere);
        assert!(told && is_about_the_engine(&reason), "{program}: {reason}");
    }
    let component = refusal("(component)", UnknownImports::Deny);
    assert!(
        component.contains("it is a component") && component.contains("is to run components"),
        "{component}"
    );
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
            let shared = reason.contains("one shared memory to a module of the boot package");
            assert_eq!(shared, kind == "memory", "{reason}");
        }
    }
    let reason = refusal(r#"(module (import "env" "x" (func)))"#, UnknownImports::Deny);
    assert!(reason.contains("unknown import \"x\" of \"env\""), "{reason}");
}

#[test]
fn what_can_be_seen_early_is_refused_before_anything_is_validated() {
    // The function's body is invalid.
    for (items, reason) in [
        ("(memory 2000)", "pass --memory 128000KiB"),
        ("(table 70000 funcref)", "pass --table-elements 70000"),
        (r#"(import "env" "x" (func))"#, "unknown import"),
    ] {
        let refused = refusal(&format!("(module {items} (func (result i32)))"), UnknownImports::Deny);
        assert!(refused.contains(reason), "{refused}");
    }
}

/// A lane of a vector, stored and loaded in the first memory and in another, near and far.
#[test]
fn lanes_reach_every_memory() {
    for (width, last) in [(8, 15), (16, 7), (32, 3), (64, 1)] {
        for (memory, offset) in [("0", ""), ("0", "offset=65536"), ("$other", ""), ("$other", "offset=65536")]
        {
            let items = format!(
                "(memory $other 2)
                (func $f (param i32 v128) (result i32)
                    (drop (memory.grow (i32.const 1)))
                    (v128.store{width}_lane {memory} {offset} {last} (local.get 0) (local.get 1))
                    (i32x4.extract_lane 0 (v128.load{width}_lane {memory} {offset} 0 (local.get 0)
                        (v128.const i32x4 0 0 0 0))))"
            );
            let value =
                "(i32.and (i32.const 15) (call $f (i32.const 8) (v128.const i64x2 0 0x0d0d0d0d0d0d0d0d)))";
            assert_eq!(status(&items, value), End::Exited(13), "{width} {memory} {offset}");
        }
    }
}
