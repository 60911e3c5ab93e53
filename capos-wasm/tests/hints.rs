//! A missing grant is reported as a reason only if the program failed because of it.

use crate::support::{World, with_imports};
use capos_wasm::{End, Limits};

/// Looks for directories, the time and random bytes as a C library or a language runtime does when it starts.
const START: &str = "(drop (call $fd_prestat_get (i32.const 3) (i32.const 0)))
    (drop (call $random_get (i32.const 0) (i32.const 8)))
    (drop (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 0)))
    (drop (call $args_sizes_get (i32.const 0) (i32.const 4)))";

/// Runs `body` in a program that starts like that without any of these grants; returns its end, and the functions in the
/// hints.
fn hints(body: &str, limits: Limits) -> (End, Vec<&'static str>) {
    let mut world = World::new();
    let mut spec = world.program(&with_imports(&format!(
        r#"(table 1 funcref) (global $zero (mut i32) (i32.const 0))
        (data (i32.const 64) "x: No such file or directory\n") (data (i32.const 128) "no entropy\n")
        (func $say (param $fd i32) (param $text i32) (param $length i32)
            (i32.store (i32.const 16) (local.get $text)) (i32.store (i32.const 20) (local.get $length))
            (drop (call $fd_write (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 24))))
        (func (export "_start") {START} {body})"#
    )));
    spec.grants.timer = None;
    spec.grants.wall_clock = None;
    spec.grants.entropy = None;
    spec.limits = limits;
    let handle = world.host.start(spec);
    let end = world.wait(&handle);
    (end, handle.refusals().iter().map(|refusal| refusal.import).collect())
}

#[test]
fn what_only_the_start_asked_for_is_no_reason() {
    for body in [
        "(call $proc_exit (i32.const 255))",
        "unreachable",
        "(drop (i32.div_s (i32.const 5) (global.get $zero)))",
        "(drop (i32.load (i32.const -16)))",
        "(call_indirect (i32.const 0))",
    ] {
        let (end, hints) = hints(body, Limits::default());
        assert!(end.status() != 0 && hints.is_empty(), "{body}: {end}, {hints:?}");
    }
}

/// A refusal of `poll_oneoff` is in an event: the call itself succeeds.
#[test]
fn a_sleep_that_was_refused_is_a_reason() {
    // A subscription to the monotonic clock, of a millisecond; the event's error is at offset 8.
    let sleep = "(i64.store (i32.const 256) (i64.const 0)) (i64.store (i32.const 264) (i64.const 0))
        (i32.store (i32.const 272) (i32.const 1)) (i64.store (i32.const 280) (i64.const 1000000))
        (i64.store (i32.const 288) (i64.const 0)) (i64.store (i32.const 296) (i64.const 0))
        (drop (call $poll_oneoff (i32.const 256) (i32.const 512) (i32.const 1) (i32.const 768)))";
    let status = "(call $proc_exit (i32.load16_u (i32.const 520)))";
    let (end, given) = hints(&format!("{sleep} {status}"), Limits::default());
    assert!(end.status() != 0 && given.contains(&"poll_oneoff"), "{end}: {given:?}");
    let (_, given) = hints(&format!("{sleep} unreachable"), Limits::default());
    assert!(given.contains(&"poll_oneoff"), "{given:?}");
}

#[test]
fn a_trap_that_says_why_has_no_other_reason_whatever_was_said() {
    let say = "(call $say (i32.const 2) (i32.const 64) (i32.const 29))";
    let (_, given) = hints(&format!("{say} unreachable"), Limits::default());
    assert_eq!(given, ["fd_prestat_get"], "a program that gives up may trap");
    let (_, given) =
        hints(&format!("{say} (drop (i32.div_s (i32.const 5) (global.get $zero)))"), Limits::default());
    assert_eq!(given, [""; 0]);
}

#[test]
fn a_limit_has_no_other_reason() {
    let say = "(call $say (i32.const 2) (i32.const 64) (i32.const 29))";
    let limits = Limits { fuel: Some(10_000), ..Limits::default() };
    assert_eq!(hints(&format!("{say} (loop $l (br $l))"), limits), (End::OutOfFuel(10_000), Vec::new()));
    let limits = Limits { output_bytes: 40, ..Limits::default() };
    assert_eq!(hints(&format!("(loop $l {say} (br $l))"), limits), (End::OutOfOutput, Vec::new()));
}

#[test]
fn what_the_program_says_it_lacked_is_a_reason() {
    let fail = "(call $proc_exit (i32.const 1))";
    for stream in [1, 2] {
        let body = format!("(call $say (i32.const {stream}) (i32.const 64) (i32.const 29)) {fail}");
        assert_eq!(hints(&body, Limits::default()), (End::Exited(1), vec!["fd_prestat_get"]));
    }
    let body = format!("(call $say (i32.const 2) (i32.const 128) (i32.const 11)) {fail}");
    assert_eq!(hints(&body, Limits::default()), (End::Exited(1), vec!["random_get"]));
}

#[test]
fn what_was_refused_right_before_the_end_is_a_reason() {
    let body = "(drop (call $random_get (i32.const 0) (i32.const 8)))
        (call $say (i32.const 1) (i32.const 64) (i32.const 2)) (call $proc_exit (i32.const 1))";
    assert_eq!(hints(body, Limits::default()), (End::Exited(1), vec!["random_get"]));
}
