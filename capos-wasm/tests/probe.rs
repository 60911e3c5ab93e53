//! Every function of Preview 1 can be imported and returns an errno without any grant; other imports are
//! refused.

use crate::support::{World, spec};
use capos_wasm::{
    End, Grants, ValueType,
    preview1::{FUNCTIONS, Function, MODULE},
};

fn types(types: &[ValueType]) -> String {
    types.iter().map(ValueType::to_string).collect::<Vec<_>>().join(" ")
}

fn import(function: &Function) -> String {
    let Function { name, params, results, .. } = function;
    let params = types(params);
    let results = types(results);
    format!(r#"(import "{MODULE}" "{name}" (func ${name} (param {params}) (result {results})))"#)
}

#[test]
fn there_are_46_and_each_once() {
    let mut names: Vec<_> = FUNCTIONS.iter().map(|function| function.name).collect();
    assert_eq!(names.len(), 46);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 46);
}

#[test]
fn without_a_grant_each_returns_what_the_table_says() {
    let mut world = World::new();
    let imports: String = FUNCTIONS.iter().map(import).collect();
    for function in FUNCTIONS {
        let Some(errno) = function.missing else { continue };
        // At address 0 there is a subscription to the monotonic clock, which is also an array of buffers and
        // paths without a length.
        let argument = |(index, ty): (usize, &ValueType)| {
            let value = match (function.name, index) {
                ("poll_oneoff", 1) => 512,
                ("poll_oneoff", 2) => 1,
                ("poll_oneoff" | "clock_res_get" | "clock_time_get", 3) => 1024,
                ("clock_res_get" | "clock_time_get", 0) => 1,
                ("sock_shutdown", 1) => 1,
                _ => 0,
            };
            format!("({ty}.const {value})")
        };
        let arguments: String = function.params.iter().enumerate().map(argument).collect();
        let program = format!(
            r#"(module {imports} (memory (export "memory") 1) (data (i32.const 16) "\01")
            (func (export "_start") (call $proc_exit
                (if (result i32) (i32.const {poll})
                    (then (drop (call ${name} {arguments})) (i32.load16_u (i32.const 520)))
                    (else (call ${name} {arguments}))))))"#,
            name = function.name,
            poll = u8::from(function.name == "poll_oneoff"),
        );
        let end = world.run(spec(&program, Grants::default()));
        assert_eq!(end, End::Exited(errno as i32), "{}", function.name);
    }
}

fn failure(world: &mut World, program: &str) -> String {
    let mut spec = world.program(program);
    spec.name = "probe".into();
    spec.module_name = "probe.wasm".into();
    match world.run(spec) {
        End::FailedToStart(reason) => reason,
        other => panic!("{other}"),
    }
}

#[test]
fn unknown_imports_are_named() {
    let mut world = World::new();
    for import in [
        r#"(import "wasi_snapshot_preview1" "fd_open" (func))"#,
        r#"(import "wasi_unstable" "fd_open" (func))"#,
        r#"(import "env" "fd_open" (func))"#,
    ] {
        let reason = failure(&mut world, &format!("(module {import})"));
        assert!(reason.contains("unknown import \"fd_open\" of"), "{reason}");
        assert!(reason.contains("\"probe\"") && reason.contains("\"probe.wasm\""), "{reason}");
    }
}

#[test]
fn wrong_signatures_are_named() {
    let mut world = World::new();
    let import = r#"(import "wasi_snapshot_preview1" "random_get" (func (param i32 i64) (result i32)))"#;
    let reason = failure(&mut world, &format!("(module {import})"));
    assert!(
        reason.ends_with(
            r#"import "random_get" of "wasi_snapshot_preview1" is (i32, i64) -> (i32), not (i32, i32) -> (i32)"#
        ),
        "{reason}"
    );
}
