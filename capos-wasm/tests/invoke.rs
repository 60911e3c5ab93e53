//! Calling an export instead of running a program: arguments as typed, printed results, initialization before
//! the call.

use crate::support::World;
use capos_wasm::{End, InstanceSpec, Launch, Limits, Options};

const LIBRARY: &str = r#"(module
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
    (memory (export "memory") 1)
    (global $ready (mut i32) (i32.const 1))
    (global $started (mut i32) (i32.const 1))
    (start $start)
    (func $start (global.set $started (i32.const 40)))
    (func (export "_initialize") (global.set $ready (i32.const 2)))
    (func (export "_start") unreachable)
    (func (export "ready") (result i32) (drop (call $yield)) (i32.add (global.get $ready) (global.get $started)))
    (func (export "echo") (param i32 i64 f32 f64) (result i32 i64 f32 f64)
        (local.get 0) (local.get 1) (local.get 2) (local.get 3))
    (func (export "vector") (result v128) (v128.const i32x4 1 2 3 4))
    (func (export "takes_reference") (param externref))
    (func (export "references") (result funcref externref) (ref.null func) (ref.null extern))
    (func (export "nothing"))
    (func (export "leave") (call $exit (i32.const 7)))
    (func (export "trap") unreachable))"#;

fn invoke(world: &mut World, function: &str, arguments: &[&str]) -> End {
    let all = ["program"].into_iter().chain(arguments.iter().copied());
    let spec = InstanceSpec {
        launch: Launch::new(all, []).expect("plain arguments"),
        options: Options { invoke: Some(function.into()), ..Options::default() },
        ..world.program(LIBRARY)
    };
    world.run(spec)
}

#[test]
fn results_are_printed_one_a_line() {
    for (function, arguments, printed) in [
        ("ready", &[][..], "42\n"),
        ("echo", &["4294967295", "0x10", "1e-10", "-0"], "-1\n16\n0.0000000001\n-0\n"),
        ("echo", &["-5", "-9223372036854775808", "nan", "inf"], "-5\n-9223372036854775808\nNaN\ninf\n"),
        ("vector", &[], "316912650112397582603894390785\n"),
        ("references", &[], "<null funcref>\n<null externref>\n"),
        ("nothing", &[], ""),
        ("_initialize", &[], ""),
    ] {
        let mut world = World::new();
        assert_eq!(invoke(&mut world, function, arguments), End::Exited(0), "{function}");
        assert_eq!(world.output(), printed, "{function}");
    }
}

#[test]
fn its_end_is_that_of_a_program() {
    assert_eq!(invoke(&mut World::new(), "leave", &[]), End::Exited(7));
    assert!(matches!(invoke(&mut World::new(), "trap", &[]), End::Trap(_)));
}

fn reason(function: &str, arguments: &[&str]) -> String {
    match invoke(&mut World::new(), function, arguments) {
        End::FailedToStart(reason) => reason,
        other => panic!("{other}"),
    }
}

#[test]
fn what_cannot_be_called_is_named() {
    let text = reason("ehco", &[]);
    assert!(text.contains("no exported function \"ehco\"") && text.contains("\"echo\""), "{text}");
    assert!(!text.contains("\"memory\"") && !text.contains("start section"), "{text}");
    assert!(reason("memory", &[]).contains("no exported function"));
    assert!(reason("capos:start section", &[]).contains("no exported function"));
    assert!(reason("echo", &["1"]).contains("takes 4 arguments, and 1 were given"));
    assert!(reason("echo", &["1", "2", "3", "four"]).contains("argument 4 of \"echo\": \"four\""));
    assert!(reason("takes_reference", &["1"]).contains("cannot be given"));
}

#[test]
fn what_is_printed_counts_as_output_and_needs_somewhere_to_go() {
    let mut world = World::new();
    let spec = InstanceSpec {
        limits: Limits { output_bytes: 2, ..Limits::default() },
        options: Options { invoke: Some("ready".into()), ..Options::default() },
        ..world.program(LIBRARY)
    };
    assert_eq!(world.run(spec), End::OutOfOutput);
    let mut world = World::new();
    let mut spec = InstanceSpec {
        options: Options { invoke: Some("ready".into()), ..Options::default() },
        ..world.program(LIBRARY)
    };
    spec.grants.stdout = None;
    let handle = world.host.start(spec);
    assert_eq!(world.wait(&handle), End::Exited(1));
    let refusals: Vec<_> = handle.refusals().iter().map(ToString::to_string).collect();
    assert!(refusals.iter().any(|line| line.contains("standard output")), "{refusals:?}");
}
