//! Random bytes, granted and not granted.

use crate::support::{World, call_program, e, errno, spec, with_imports};
use capos_wasm::{End, Grants};

#[test]
fn every_byte_is_filled_and_no_other() {
    let mut world = World::new();
    // More than three pieces; the fake source never returns a zero.
    let program = with_imports(
        r#"(func (export "_start") (local $at i32)
            (drop (memory.grow (i32.const 1)))
            (call $proc_exit (if (result i32) (call $random_get (i32.const 8) (i32.const 100000))
                (then (i32.const 1))
                (else
                    (local.set $at (i32.const 8))
                    (loop $next
                        (if (i32.eqz (i32.load8_u (local.get $at))) (then (call $proc_exit (i32.const 2))))
                        (local.set $at (i32.add (local.get $at) (i32.const 1)))
                        (br_if $next (i32.lt_u (local.get $at) (i32.const 100008))))
                    (i32.or (i32.load8_u (i32.const 7)) (i32.load8_u (i32.const 100008)))))))"#,
    );
    assert_eq!(world.run(world.program(&program)), End::Exited(0));
}

#[test]
fn ungranted_is_enosys() {
    let mut world = World::new();
    let program = call_program("", "(call $random_get (i32.const 0) (i32.const 8))");
    assert_eq!(world.run(spec(&program, Grants::default())), errno(e::NOSYS));
}

#[test]
fn ranges_outside_memory_are_efault() {
    let mut world = World::new();
    for (buffer, length) in [(65530u32, 7u32), (u32::MAX, 1), (0, u32::MAX), (65536, 1)] {
        let call = format!("(call $random_get (i32.const {buffer}) (i32.const {length}))");
        let end = world.run(world.program(&call_program("", &call)));
        assert_eq!(end, errno(e::FAULT), "{length} bytes at {buffer}");
    }
    let call = "(call $random_get (i32.const 65536) (i32.const 0))";
    assert_eq!(world.run(world.program(&call_program("", call))), errno(0));
}
