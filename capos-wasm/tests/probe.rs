//! Every function of Preview 1 can be imported; those that are not provided return ENOSYS.

use crate::support::{World, e};
use capos_wasm::{
    End, ValueType,
    wasi::{FUNCTIONS, Function, MODULE, State},
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
fn what_is_absent_returns_enosys() {
    let mut world = World::new();
    let absent: Vec<_> = FUNCTIONS.iter().filter(|function| function.state == State::Absent).collect();
    assert!(absent.len() > 20);
    let imports: String = FUNCTIONS.iter().map(import).collect();
    for (function, value) in absent.iter().flat_map(|function| [(function, "0"), (function, "-1")]) {
        let arguments: String = function.params.iter().map(|ty| format!("({ty}.const {value})")).collect();
        let program = format!(
            r#"(module {imports} (memory (export "memory") 1)
            (func (export "_start") (call $proc_exit (call ${} {arguments}))))"#,
            function.name
        );
        assert_eq!(world.run(world.program(&program)), End::Exited(e::NOSYS), "{}", function.name);
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
        r#"(import "env" "fd_open" (memory 1))"#,
        r#"(import "env" "fd_open" (global i32))"#,
        r#"(import "wasi_snapshot_preview1" "fd_open" (table 1 funcref))"#,
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
