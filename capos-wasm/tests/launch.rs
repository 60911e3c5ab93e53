//! Arguments and environment.

use crate::support::{World, with_imports};
use capos_wasm::{End, Launch, LaunchError};

/// Prints sizes as two bytes, then the strings with their NULs, then checks the last pointer.
fn echo(sizes: &str, get: &str) -> String {
    with_imports(&format!(
        r#"(func (export "_start")
            (call $check (call {sizes} (i32.const 0) (i32.const 4)))
            (call $check (call {get} (i32.const 64) (i32.const 128)))
            (if (i32.ne (i32.load (i32.const 64)) (i32.const 128)) (then (call $proc_exit (i32.const 99))))
            (i32.store (i32.const 16) (i32.const 128))
            (i32.store (i32.const 20) (i32.load (i32.const 4)))
            (call $check (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))
            (call $proc_exit (i32.load (i32.const 0))))
        (func $check (param i32) (if (local.get 0) (then (call $proc_exit (i32.const 98)))))"#
    ))
}

#[test]
fn arguments_are_those_given() {
    let mut world = World::new();
    let mut spec = world.program(&echo("$args_sizes_get", "$args_get"));
    spec.launch = Launch::new(["program", "one", "", "zwei drei"], []).expect("plain");
    assert_eq!(world.run(spec), End::Exited(4));
    assert_eq!(world.output(), "program\0one\0\0zwei drei\0");
}

#[test]
fn environment_is_that_given() {
    let mut world = World::new();
    let mut spec = world.program(&echo("$environ_sizes_get", "$environ_get"));
    spec.launch = Launch::new(["program"], [("HOME", "/"), ("EMPTY", "")]).expect("plain");
    assert_eq!(world.run(spec), End::Exited(2));
    assert_eq!(world.output(), "HOME=/\0EMPTY=\0");
}

#[test]
fn strings_a_guest_could_not_read_back_are_refused() {
    assert_eq!(Launch::new(["a\0b"], []), Err(LaunchError::Nul("a\0b".into())));
    assert_eq!(Launch::new([], [("A=B", "c")]), Err(LaunchError::VariableName("A=B".into())));
    assert_eq!(Launch::new([], [("", "c")]), Err(LaunchError::VariableName("".into())));
    let long = "x".repeat(1 << 20);
    assert_eq!(Launch::new([&long[..]], []), Err(LaunchError::TooLong));
}
