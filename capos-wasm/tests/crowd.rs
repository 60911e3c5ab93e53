//! Very many instances in one host.

use crate::support::{World, namespace, preopen, spec, volume, with_imports};
use capos_wasm::{End, Grants, InstanceHandle, InstanceSpec, Limits};

/// Starts `count` instances of a module, with the limits and grants returned by `grants` for each.
fn start(
    world: &World,
    wat: &str,
    count: usize,
    grants: impl Fn(usize) -> (Grants, Limits),
) -> Vec<InstanceHandle> {
    let module = wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}\n{wat}"));
    let start = |index| {
        let (grants, limits) = grants(index);
        let spec = spec("(module)", grants);
        world.host.start(InstanceSpec { module: module.clone().into(), limits, ..spec })
    };
    (0..count).map(start).collect()
}

/// Sleeps ten times for a millisecond.
fn sleeper() -> String {
    with_imports(
        r#"(data (i32.const 16) "\01") (data (i32.const 24) "\40\42\0f\00")
        (func (export "_start") (local $left i32)
            (local.set $left (i32.const 10))
            (loop $next
                (if (call $poll_oneoff (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128))
                    (then (call $proc_exit (i32.const 1))))
                (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))"#,
    )
}

#[test]
fn a_thousand_sleepers_all_make_progress() {
    let mut world = World::new();
    let grants = |_| (world.all_grants(), Limits::default());
    let handles = start(&world, &sleeper(), 1000, grants);
    for handle in &handles {
        assert_eq!(world.wait(handle), End::Exited(0));
    }
}

#[test]
fn traps_and_limits_of_some_are_nothing_to_the_others() {
    let mut world = World::new();
    // Every third has too little fuel, and every third has no timer and ends with an errno.
    let grants = |index| match index % 3 {
        0 => (world.all_grants(), Limits { fuel: Some(20), ..Limits::default() }),
        1 => (Grants::default(), Limits::default()),
        _ => (world.all_grants(), Limits::default()),
    };
    let handles = start(&world, &sleeper(), 300, grants);
    let trap = r#"(module (func (export "_start") unreachable))"#;
    let traps = start(&world, trap, 100, |_| (Grants::default(), Limits::default()));
    for (index, handle) in handles.iter().enumerate() {
        let end = world.wait(handle);
        match index % 3 {
            0 => assert_eq!(end, End::OutOfFuel(20)),
            // The missing grant is reported as an event of the poll, so it polls ten times without success.
            _ => assert_eq!(end, End::Exited(0)),
        }
    }
    for handle in &traps {
        assert!(matches!(world.wait(handle), End::Trap(_)));
    }
}

/// Creates and opens "f", writes 3000 bytes three times, syncs, reads everything back and checks it.
const WORKER: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_open"
        (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_sync" (func $fd_sync (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\00\10\00\00\b8\0b\00\00\00\40\00\00\00\40\00\00f")
    (func $check (param i32) (if (local.get 0) (then (call $proc_exit (local.get 0)))))
    (func (export "_start") (local $fd i32) (local $i i32)
        (call $check (call $path_open (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 1)
            (i64.const 0x1fffffff) (i64.const 0) (i32.const 0) (i32.const 32)))
        (local.set $fd (i32.load (i32.const 32)))
        (loop $write
            (memory.fill (i32.const 4096) (i32.add (i32.const 65) (local.get $i)) (i32.const 3000))
            (call $check (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 32)))
            (call $check (i32.ne (i32.load (i32.const 32)) (i32.const 3000)))
            (br_if $write (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3))))
        (call $check (call $fd_sync (local.get $fd)))
        (call $check (call $fd_seek (local.get $fd) (i64.const 0) (i32.const 0) (i32.const 40)))
        (call $check (call $fd_read (local.get $fd) (i32.const 8) (i32.const 1) (i32.const 32)))
        (call $check (i32.ne (i32.load (i32.const 32)) (i32.const 9000)))
        (local.set $i (i32.const 0))
        (loop $compare
            (call $check (i32.ne
                (i32.load8_u (i32.add (i32.const 16384) (local.get $i)))
                (i32.add (i32.const 65) (i32.div_u (local.get $i) (i32.const 3000)))))
            (br_if $compare
                (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 9000))))))"#;

#[test]
fn two_hundred_work_on_one_volume_at_once() {
    let mut world = World::new();
    let volume = volume(200);
    let directories: Vec<_> =
        (0..200).map(|index| namespace(&mut world, &volume, &format!("/{index}"), "rwm", 0)).collect();
    let grants = |index: usize| {
        let preopens = vec![preopen("/", directories[index].clone())];
        (Grants { preopens, ..Grants::default() }, Limits::default())
    };
    let handles = start(&world, WORKER, 200, grants);
    for handle in &handles {
        assert_eq!(world.wait(handle), End::Exited(0));
    }
}
