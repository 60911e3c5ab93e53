//! Arguments and environment.

use crate::support::{World, with_imports};
use capos_wasm::{End, Launch, LaunchError};

/// Prints the sizes as two bytes, then the strings with their NULs, then checks the last pointer.
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
    let long = "x".repeat(4 << 20);
    assert_eq!(Launch::new([&long[..]], []), Err(LaunchError::TooLong));
}

/// As many file names as a shell may produce from `*`, and more than is written in one piece.
#[test]
fn a_megabyte_of_arguments_arrives() {
    let mut world = World::new();
    let names: Vec<String> = (0..50_000).map(|number| format!("source-{number:05}.c")).collect();
    let mut spec = world.program(&with_imports(
        r#"(func (export "_start")
            (local $i i32) (local $at i32)
            (drop (memory.grow (i32.const 40)))
            (call $check (call $args_sizes_get (i32.const 0) (i32.const 4)))
            (call $check (call $args_get (i32.const 65536) (i32.const 1000000)))
            ;; Each pointer is where the string before it ends.
            (local.set $at (i32.const 1000000))
            (loop $next
                (if (i32.ne (local.get $at)
                        (i32.load (i32.add (i32.const 65536) (i32.shl (local.get $i) (i32.const 2)))))
                    (then (call $proc_exit (i32.const 97))))
                (loop $byte
                    (local.set $at (i32.add (local.get $at) (i32.const 1)))
                    (br_if $byte (i32.load8_u (i32.sub (local.get $at) (i32.const 1)))))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $next (i32.lt_u (local.get $i) (i32.load (i32.const 0)))))
            (if (i32.ne (i32.sub (local.get $at) (i32.const 1000000)) (i32.load (i32.const 4)))
                (then (call $proc_exit (i32.const 96))))
            (call $proc_exit (i32.eq (local.get $i) (i32.const 50001))))
        (func $check (param i32) (if (local.get 0) (then (call $proc_exit (i32.const 98)))))"#,
    ));
    spec.launch =
        Launch::new(std::iter::once("program").chain(names.iter().map(String::as_str)), []).expect("fits");
    assert_eq!(world.run(spec), End::Exited(1));
}
