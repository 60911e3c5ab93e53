//! Programs that print, from start to end.

use crate::support::{World, with_imports};
use capos_wasm::End;

const HELLO: &str = r#"
    (data (i32.const 16) "Hello from WASI on capOS\n")
    (data (i32.const 0) "\10\00\00\00\19\00\00\00")
    (func (export "_start")
        (call $proc_exit (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
"#;

#[test]
fn hello() {
    let mut world = World::new();
    let end = world.run(world.program(&with_imports(HELLO)));
    assert_eq!(end, End::Exited(0));
    assert_eq!(world.output(), "Hello from WASI on capOS\n");
}

#[test]
fn returning_from_start_is_status_0() {
    let mut world = World::new();
    let end = world.run(world.program(&with_imports(r#"(func (export "_start"))"#)));
    assert_eq!(end, End::Exited(0));
}

#[test]
fn exit_status_reaches_the_owner() {
    let mut world = World::new();
    let program = r#"(func (export "_start") (call $proc_exit (i32.const 42)) unreachable)"#;
    assert_eq!(world.run(world.program(&with_imports(program))), End::Exited(42));
}

#[test]
fn a_program_with_an_initialization_function_is_initialized_first() {
    let mut world = World::new();
    let program = r#"(global $status (mut i32) (i32.const 1))
        (func (export "_initialize") (global.set $status (i32.const 7)))
        (func (export "_start") (call $proc_exit (global.get $status)))"#;
    assert_eq!(world.run(world.program(&with_imports(program))), End::Exited(7));
    let program = r#"(func (export "_initialize") (call $proc_exit (i32.const 3))) (func (export "_start"))"#;
    assert_eq!(world.run(world.program(&with_imports(program))), End::Exited(3));
}
