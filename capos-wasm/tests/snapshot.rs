//! `wasi_unstable`, the snapshot before Preview 1: the same functions, with some different numbers and
//! layouts.

use crate::support::{World, namespace, preopen, spec, volume};
use capos_wasm::{
    End, Grants,
    preview1::{FUNCTIONS, Snapshot},
};

fn world_with_a_file() -> (World, Grants) {
    let mut world = World::new();
    let volume = volume(7);
    let all = namespace(&mut world, &volume, "/", "rwm", 0);
    let grants = Grants { preopens: vec![preopen("/", all)], ..world.all_grants() };
    (world, grants)
}

/// A program that creates the file `f` with 10 bytes; its descriptor is then in `$fd`. It exits with the number of the
/// first check that fails, or 0.
fn program(imports: &str, body: &str) -> String {
    format!(
        r#"(module
        (import "wasi_unstable" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_unstable" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_unstable" "proc_exit" (func $exit (param i32)))
        {imports}
        (memory (export "memory") 1)
        (data (i32.const 0) "f")
        (data (i32.const 16) "\00\00\00\00\0a\00\00\00")
        (global $fd (mut i32) (i32.const 0))
        (func $check (param $number i32) (param $holds i32)
            (if (i32.eqz (local.get $holds)) (then (call $exit (local.get $number)))))
        (func (export "_start")
            (call $check (i32.const 1) (i32.eqz (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1)
                (i32.const 1) (i64.const 0x0fffffff) (i64.const 0) (i32.const 0) (i32.const 8))))
            (global.set $fd (i32.load (i32.const 8)))
            (call $check (i32.const 2)
                (i32.eqz (call $write (global.get $fd) (i32.const 16) (i32.const 1) (i32.const 8))))
            {body}))"#
    )
}

#[test]
fn origins_of_seeking_have_their_old_numbers() {
    let imports = r#"(import "wasi_unstable" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))"#;
    let seek = |number: u32, offset: i64, whence: u32, expected: u64| {
        format!(
            "(call $check (i32.const {number}) (i32.eqz
                (call $seek (global.get $fd) (i64.const {offset}) (i32.const {whence}) (i32.const 32))))
             (call $check (i32.const {number}) (i64.eq (i64.load (i32.const 32)) (i64.const {expected})))"
        )
    };
    // 2 is relative to the start, 0 to the position, 1 to the end.
    let body = [seek(3, 4, 2, 4), seek(4, 2, 0, 6), seek(5, -1, 1, 9)].concat();
    let wrong = "(call $check (i32.const 6) (i32.eq (i32.const 28)
        (call $seek (global.get $fd) (i64.const 0) (i32.const 3) (i32.const 32))))";
    let (mut world, grants) = world_with_a_file();
    assert_eq!(world.run(spec(&program(imports, &(body + wrong)), grants)), End::Exited(0));
}

#[test]
fn attributes_have_their_old_layout() {
    let imports = r#"
        (import "wasi_unstable" "fd_filestat_get" (func $stat (param i32 i32) (result i32)))
        (import "wasi_unstable" "path_filestat_get"
            (func $stat_path (param i32 i32 i32 i32 i32) (result i32)))"#;
    let fields = |number: u32, call: &str| {
        format!(
            r#"(i64.store (i32.const 120) (i64.const 0x1122334455667788))
            (call $check (i32.const {number}) (i32.eqz {call}))
            (call $check (i32.const {number}) (i32.eq (i32.load8_u (i32.const 80)) (i32.const 4)))
            (call $check (i32.const {number}) (i32.eq (i32.load (i32.const 84)) (i32.const 1)))
            (call $check (i32.const {number}) (i64.eq (i64.load (i32.const 88)) (i64.const 10)))
            (call $check (i32.const {number})
                (i64.eq (i64.load (i32.const 120)) (i64.const 0x1122334455667788)))"#
        )
    };
    let body = [
        fields(3, "(call $stat (global.get $fd) (i32.const 64))"),
        fields(4, "(call $stat_path (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 64))"),
    ]
    .concat();
    let (mut world, grants) = world_with_a_file();
    assert_eq!(world.run(spec(&program(imports, &body), grants)), End::Exited(0));
}

#[test]
fn subscriptions_have_their_old_layout() {
    // Two clocks, 56 bytes each: the identifier comes before the clock.
    let program = r#"(module
        (import "wasi_unstable" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (import "wasi_unstable" "clock_time_get" (func $now (param i32 i64 i32) (result i32)))
        (import "wasi_unstable" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func $subscribe (param $at i32) (param $userdata i64) (param $timeout i64)
            (i64.store (local.get $at) (local.get $userdata))
            (i64.store offset=16 (local.get $at) (i64.const 0x7777777777777777))
            (i32.store offset=24 (local.get $at) (i32.const 1))
            (i64.store offset=32 (local.get $at) (local.get $timeout)))
        (func (export "_start") (local $before i64)
            (call $subscribe (i32.const 0) (i64.const 11) (i64.const 3600000000000))
            (call $subscribe (i32.const 56) (i64.const 22) (i64.const 5000000))
            (drop (call $now (i32.const 1) (i64.const 0) (i32.const 512)))
            (local.set $before (i64.load (i32.const 512)))
            (if (call $poll (i32.const 0) (i32.const 256) (i32.const 2) (i32.const 520))
                (then (call $exit (i32.const 1))))
            (if (i32.ne (i32.load (i32.const 520)) (i32.const 1)) (then (call $exit (i32.const 2))))
            (if (i64.ne (i64.load (i32.const 256)) (i64.const 22)) (then (call $exit (i32.const 3))))
            (drop (call $now (i32.const 1) (i64.const 0) (i32.const 512)))
            (if (i64.lt_u (i64.sub (i64.load (i32.const 512)) (local.get $before)) (i64.const 5000000))
                (then (call $exit (i32.const 4))))))"#;
    let mut world = World::new();
    let spec = world.program(program);
    assert_eq!(world.run(spec), End::Exited(0));
}

#[test]
fn subscriptions_to_streams_are_as_long_as_those_to_clocks() {
    // Two streams, of which the second is ready: 56 bytes each, with the descriptor at the same offset in both
    // snapshots.
    let program = r#"(module
        (import "wasi_unstable" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (import "wasi_unstable" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func (export "_start")
            (i64.store (i32.const 0) (i64.const 11))
            (i32.store8 (i32.const 8) (i32.const 1))
            (i32.store (i32.const 16) (i32.const 0))
            (i64.store (i32.const 56) (i64.const 22))
            (i32.store8 (i32.const 64) (i32.const 2))
            (i32.store (i32.const 72) (i32.const 1))
            (if (call $poll (i32.const 0) (i32.const 256) (i32.const 2) (i32.const 520))
                (then (call $exit (i32.const 1))))
            (if (i32.ne (i32.load (i32.const 520)) (i32.const 1)) (then (call $exit (i32.const 2))))
            (if (i64.ne (i64.load (i32.const 256)) (i64.const 22)) (then (call $exit (i32.const 3))))
            ;; No error, of type `fd_write`.
            (if (i32.ne (i32.load (i32.const 264)) (i32.const 0x20000)) (then (call $exit (i32.const 4))))
            (if (i64.eqz (i64.load (i32.const 272))) (then (call $exit (i32.const 5))))))"#;
    let mut world = World::new();
    let spec = world.program(program);
    assert_eq!(world.run(spec), End::Exited(0));
}

#[test]
fn all_functions_but_one_can_be_imported() {
    let mut world = World::new();
    for function in FUNCTIONS {
        let known = Snapshot::Zero.function(function.name).is_some();
        assert_eq!(known, function.name != "sock_accept", "{}", function.name);
        let types =
            |types: &[capos_wasm::ValueType]| types.iter().map(|ty| format!("{ty} ")).collect::<String>();
        let import = format!(
            r#"(module (import "wasi_unstable" "{}" (func (param {}) (result {}))) (func (export "_start")))"#,
            function.name,
            types(function.params),
            types(function.results)
        );
        let end = world.run(spec(&import, Grants::default()));
        assert_eq!(end == End::Exited(0), known, "{}: {end}", function.name);
    }
}

#[test]
fn a_module_may_import_both() {
    let program = r#"(module
        (import "wasi_unstable" "fd_seek" (func $old (param i32 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_seek" (func $new (param i32 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func (export "_start")
            (call $exit (i32.add
                (call $old (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 0))
                (call $new (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 0))))))"#;
    let mut world = World::new();
    let spec = world.program(program);
    // A console cannot seek in either snapshot.
    assert_eq!(world.run(spec), End::Exited(2 * 70));
}
