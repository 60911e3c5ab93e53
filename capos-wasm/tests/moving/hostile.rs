//! Modules and callers that try to make use of the moving.

use super::{CALLS, MOVED, Moving};
use capos_wasm::{CallError, End};

const MODULE: &str = r#"(module (memory 1) (global (mut i32) (i32.const 5))
    (func (export "f") (result i32) (i32.const 3)))"#;

#[test]
fn callers_do_not_see_the_exports_of_state() {
    let mut moving = Moving::new();
    let handle = moving.start(MODULE);
    for _ in 0..2 {
        for name in ["capos:memory 0", "capos:global 0", "capos:start section"] {
            let error = moving.call(&handle, name, &[]).expect_err(name);
            assert_eq!(error, CallError::Refused(format!("no exported function {name:?}")));
        }
        moving.call_until_moved(&handle, "f");
    }
    assert_eq!(moving.notes(), [MOVED]);
}

#[test]
fn refused_calls_do_not_count() {
    let mut moving = Moving::new();
    let handle = moving.start(MODULE);
    for _ in 0..2 * CALLS {
        assert!(moving.call(&handle, "nothing", &[]).is_err());
    }
    assert!(moving.notes().is_empty());
}

#[test]
fn a_large_memory_moves_in_turns() {
    let mut moving = Moving::new();
    let mut spec = moving.served(
        r#"(module (memory 4096) (func (export "f") (result i32)
        (i32.store (i32.const 0x0ffffffc) (i32.const 9)) (i32.load (i32.const 0x0ffffffc))))"#,
    );
    spec.limits.memory_bytes = 4096 << 16;
    let handle = moving.world.host.start(spec);
    for _ in 0..CALLS {
        moving.number(&handle, "f");
    }
    moving.world.turns(10);
    assert!(moving.notes().is_empty(), "still moving");
    assert_eq!(moving.number(&handle, "f"), 9);
    assert_eq!(moving.notes(), [MOVED]);
}

#[test]
fn a_kill_while_moving_ends_it() {
    let mut moving = Moving::new();
    let mut spec = moving.served(r#"(module (memory 4096) (func (export "f") (result i32) (i32.const 1)))"#);
    spec.limits.memory_bytes = 4096 << 16;
    let handle = moving.world.host.start(spec);
    for _ in 0..CALLS {
        moving.number(&handle, "f");
    }
    moving.world.turns(5);
    handle.kill();
    assert_eq!(moving.world.wait(&handle), End::Killed);
    assert!(moving.notes().is_empty());
}
