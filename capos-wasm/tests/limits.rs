//! Ends of an instance: each limit with its own reason, and traps with their location.

use crate::support::{World, by_engine, with_imports};
use capos_wasm::{End, Limits, Trap, Usage};

fn trap(end: End) -> Trap {
    match end {
        End::Trap(trap) => trap,
        other => panic!("no trap: {other}"),
    }
}

/// Grows memory a page at a time until that fails, then runs `then`.
fn hog(then: &str) -> String {
    with_imports(&format!(
        r#"(func (export "_start")
            (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
            {then})"#
    ))
}

#[test]
fn refused_memory_is_the_reason_when_the_program_then_fails() {
    let mut world = World::new();
    for (then, end) in
        [("unreachable", End::OutOfMemory), ("(call $proc_exit (i32.const 3))", End::Exited(3))]
    {
        let mut spec = world.program(&hog(then));
        spec.limits.memory_bytes = 1 << 20;
        let handle = world.host.start(spec);
        assert_eq!(world.wait(&handle), end, "{then}");
        assert_eq!(handle.usage().memory_bytes, 1 << 20);
        let refusals: Vec<_> = handle.refusals().iter().map(ToString::to_string).collect();
        let reason = "memory.grow needs more linear memory than its limit allows: raise `limits.memory` in the manifest or pass --memory";
        assert_eq!(refusals, [reason], "{then}");
    }
}

#[test]
fn a_program_that_copes_with_refused_memory_goes_on() {
    let mut world = World::new();
    let mut spec = world.program(&hog("(call $proc_exit (i32.const 0))"));
    spec.limits.memory_bytes = 1 << 20;
    assert_eq!(world.run(spec), End::Exited(0));
}

#[test]
fn growth_past_the_modules_own_maximum_is_not_the_limit() {
    let mut world = World::new();
    let program = r#"(module (memory 1 2) (func (export "_start")
        (drop (memory.grow (i32.const 5)))
        (if (i32.ne (memory.grow (i32.const 1)) (i32.const 1)) (then unreachable))
        (drop (i32.div_u (i32.const 1) (i32.const 0)))))"#;
    assert!(matches!(world.run(world.program(program)), End::Trap(_)));
}

#[test]
fn all_memories_count_together() {
    let mut world = World::new();
    let program = r#"(module (memory 10) (memory 10) (func (export "_start")
        (if (i32.ne (memory.grow 1 (i32.const 1)) (i32.const -1)) (then unreachable))))"#;
    let mut spec = world.program(program);
    spec.limits.memory_bytes = 20 << 16;
    assert_eq!(world.run(spec), End::Exited(0));
}

#[test]
fn a_start_that_needs_more_than_the_limit_names_both() {
    let mut world = World::new();
    let memory = |bytes: u32, size| {
        format!(
            "it needs {bytes} bytes of memory and its limit is 1048576: raise `limits.memory` to {size} in the manifest or pass --memory {size}"
        )
    };
    let elements = |count: u32| {
        format!(
            "it needs {count} table elements and its limit is 100: raise `limits.tableElements` to {count} in the manifest or pass --table-elements {count}"
        )
    };
    for (program, expected) in [
        ("(module (memory 100))", memory(6_553_600, "6400KiB")),
        ("(module (memory 10) (memory 10))", memory(1_310_720, "1280KiB")),
        ("(module (table 1000 funcref))", elements(1000)),
        ("(module (table 60 funcref) (table 60 funcref))", elements(120)),
    ] {
        // Also if it was compiled before, for an instance with a higher limit.
        for may_start in [false, true, false] {
            let mut spec = world.program(program);
            if !may_start {
                spec.limits = Limits { memory_bytes: 1 << 20, table_elements: 100, ..Limits::default() };
            }
            match world.run(spec) {
                End::FailedToStart(reason) if !may_start => assert!(reason.ends_with(&expected), "{reason}"),
                end => assert!(may_start && !end.to_string().contains("its limit is"), "{end}"),
            }
        }
    }
}

#[test]
fn tables_stop_growing_at_their_limit() {
    let mut world = World::new();
    let program = r#"(module (table 10 funcref) (func (export "_start")
        (if (i32.eq (table.grow (ref.null func) (i32.const 90)) (i32.const -1)) (then unreachable))
        (if (i32.ne (table.grow (ref.null func) (i32.const 1)) (i32.const -1)) (then unreachable))))"#;
    let mut spec = world.program(program);
    spec.limits.table_elements = 100;
    assert_eq!(world.run(spec), End::Exited(0));
}

const LOOP: &str = r#"(module (func (export "_start") (loop $again (br $again))))"#;

#[test]
fn fuel_ends_a_loop() {
    let mut world = World::new();
    for fuel in [1, 1_000, 1_000_000] {
        let mut spec = world.program(LOOP);
        spec.limits.fuel = Some(fuel);
        let handle = world.host.start(spec);
        assert_eq!(world.wait(&handle), End::OutOfFuel(fuel));
        assert_eq!(handle.usage().fuel, fuel);
    }
}

#[test]
fn a_step_that_needs_more_than_a_slice_gets_it() {
    let mut world = World::new();
    // A fill of 16 MiB needs more fuel at once than one slice.
    let program = r#"(module (memory 256) (func (export "_start")
        (memory.fill (i32.const 0) (i32.const 1) (i32.const 16777216))))"#;
    assert_eq!(world.run(world.program(program)), End::Exited(0));
    let mut spec = world.program(program);
    spec.limits.fuel = Some(100_000);
    assert_eq!(world.run(spec), End::OutOfFuel(100_000));
}

#[test]
fn wall_time_ends_a_loop_and_a_wait() {
    let mut world = World::new();
    let wait = with_imports(
        r#"(data (i32.const 0) "\40\00\00\00\04\00\00\00")
        (func (export "_start")
            (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 32))))"#,
    );
    for program in [LOOP, &wait] {
        let mut spec = world.program(program);
        spec.limits.wall_time_ns = Some(30_000);
        let before = world.clock.now_ns();
        assert_eq!(world.run(spec), End::OutOfTime);
        let took = world.clock.now_ns() - before;
        assert!((30_000..60_000).contains(&took), "{took}");
    }
}

#[test]
fn a_program_within_its_time_is_left_alone() {
    let mut world = World::new();
    let mut spec = world.program(&with_imports(r#"(func (export "_start"))"#));
    spec.limits.wall_time_ns = Some(2_000_000);
    assert_eq!(world.run(spec), End::Exited(0));
}

#[test]
fn output_stops_at_its_limit() {
    let mut world = World::new();
    let program = with_imports(
        r#"(data (i32.const 0) "\40\00\00\00\0a\00\00\00") (data (i32.const 64) "0123456789")
        (func (export "_start") (loop $more
            (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
            (br $more)))"#,
    );
    let mut spec = world.program(&program);
    spec.limits.output_bytes = 25;
    let handle = world.host.start(spec);
    assert_eq!(world.wait(&handle), End::OutOfOutput);
    assert_eq!(world.output(), "0123456789012345678901234");
    assert_eq!(handle.usage(), Usage { output_bytes: 25, ..handle.usage() });
}

#[test]
fn a_trap_says_what_and_where() {
    let mut world = World::new();
    let program = r#"(module
        (import "wasi_snapshot_preview1" "sched_yield" (func $sched_yield (result i32)))
        (func $innermost (drop (i32.div_s (i32.const 1) (i32.const 0))))
        (func $middle (drop (call $sched_yield)) (call $innermost) (nop))
        (func $other (call $middle) (call $middle))
        (func $main (export "_start") (call $other)))"#;
    let trap = trap(world.run(world.program(program)));
    assert_eq!(trap.message, "integer divide by zero");
    assert_eq!(trap.backtrace, ["innermost", "middle", "other", "main"]);
}

#[test]
fn functions_without_names_have_their_index() {
    let mut world = World::new();
    let program = r#"(module (func unreachable) (func (export "_start") (call 0)))"#;
    let trap = trap(world.run(world.program(program)));
    assert_eq!(trap.backtrace, ["function 0", "function 1"]);
}

#[test]
fn every_kind_of_trap_ends_with_it() {
    let mut world = World::new();
    for (body, message) in [
        ("unreachable", "unreachable"),
        ("(drop (i32.load (i32.const 65536)))", "out of bounds memory access"),
        ("(i32.store (i32.const -1) (i32.const 0))", "out of bounds memory access"),
        ("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", "integer overflow"),
        ("(drop (i32.trunc_f32_s (f32.const nan)))", "invalid conversion to integer"),
        ("(call_indirect (i32.const 0))", "uninitialized element"),
        ("(call_indirect (i32.const 9))", "undefined element"),
    ] {
        let program = format!(r#"(module (memory 1) (table 2 funcref) (func (export "_start") {body}))"#);
        let trap = trap(world.run(world.program(&program)));
        assert!(trap.message.contains(message), "{body}: {}", trap.message);
    }
}

#[test]
fn endless_recursion_is_a_trap_that_says_what_allows_more() {
    let mut world = World::new();
    for stack_bytes in [1, 100, 512 << 10, 8 << 20, u64::MAX] {
        // It lacks another grant as well, which is not why it ends.
        let program = with_imports(
            r#"(func $f (call $f)) (func (export "_start")
                (drop (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 0))) (call $f))"#,
        );
        let mut spec = world.program(&program);
        spec.grants.timer = None;
        spec.limits.stack_bytes = stack_bytes;
        let handle = world.host.start(spec);
        let trap = trap(world.wait(&handle));
        assert_eq!(trap.message, "call stack exhausted", "{stack_bytes}");
        let (_outermost, inner) = trap.backtrace.split_last().expect("at least `_start`");
        assert!(inner.len() < 64 && inner.iter().all(|name| name == "f"), "{inner:?}");
        let refusals: Vec<_> = handle.refusals().iter().map(ToString::to_string).collect();
        let reason = "a nested call needs more stack than its limit allows: raise `limits.stack` in the manifest or pass --stack";
        assert_eq!(refusals, [reason]);
    }
}

#[test]
fn large_frames_are_a_trap_too() {
    let mut world = World::new();
    let locals = "i64 ".repeat(20_000);
    let program = format!(r#"(module (func $f (export "_start") (local {locals}) (call $f)))"#);
    assert_eq!(trap(world.run(world.program(&program))).message, "call stack exhausted");
}

#[test]
fn the_stack_carries_what_a_compiled_programs_does() {
    let nested = |calls: u32, locals: usize| {
        let locals = "i64 ".repeat(locals);
        format!(
            r#"(module
            (func $f (param i32) (local {locals})
                (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1))))))
            (func (export "_start") (call $f (i32.const {calls}))))"#
        )
    };
    let mut world = World::new();
    for (stack_bytes, calls, locals, fits) in [
        // A compiled call takes at least 16 bytes. wasmi counts calls; wasmtime's stack holds at most as many as there
        // are frames of 16 bytes in sixteen times the limit, or in 1 MiB if that is more.
        (512 << 10, 32_700, 0, true),
        (512 << 10, by_engine(33_000, 525_000), 0, false),
        // A compiler keeps most of its locals in registers or eliminates them.
        (512 << 10, 8_000, 50, true),
        (8 << 20, 60_000, 100, true),
        (16 << 10, by_engine(2_000, 66_000), 0, false),
    ] {
        let mut spec = world.program(&nested(calls, locals));
        spec.limits.stack_bytes = stack_bytes;
        assert_eq!(world.run(spec) == End::Exited(0), fits, "{calls} calls in {stack_bytes} bytes");
    }
}

#[test]
fn a_start_section_that_never_ends_is_stopped() {
    let mut world = World::new();
    let program = "(module (func $f (loop $again (br $again))) (start $f))";
    let mut spec = world.program(program);
    spec.limits.fuel = Some(1_000_000);
    assert_eq!(world.run(spec), End::OutOfFuel(1_000_000));
}

#[test]
fn a_start_section_may_wait() {
    let mut world = World::new();
    let program = with_imports(
        r#"(func $f (drop (call $sched_yield)) (i32.store (i32.const 0) (i32.const 7)))
        (start $f)
        (func (export "_start") (call $proc_exit (i32.load (i32.const 0))))"#,
    );
    assert_eq!(world.run(world.program(&program)), End::Exited(7));
}

#[test]
fn what_the_host_does_for_a_guest_burns_fuel() {
    // A list of 1000 buffers, all empty except the last, which has one byte.
    let program = with_imports(
        r#"(func (export "_start")
            (i32.store (i32.const 8000) (i32.const 1))
            (i32.store (i32.const 8004) (i32.const 1))
            (loop $more
                (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1000) (i32.const 32000)))
                (br $more)))"#,
    );
    let mut world = World::new();
    let mut spec = world.program(&program);
    spec.limits.fuel = Some(100_000);
    assert_eq!(world.run(spec), End::OutOfFuel(100_000));
    let calls = world.output().len();
    assert!((10..50).contains(&calls), "{calls} calls for 100000 units");
}

#[test]
fn what_the_host_does_counts_even_beyond_a_slice() {
    let program = with_imports(
        r#"(func (export "_start")
            (drop (memory.grow (i32.const 255)))
            (drop (call $random_get (i32.const 0) (i32.const 16777216))))"#,
    );
    let mut world = World::new();
    let handle = world.host.start(world.program(&program));
    assert_eq!(world.wait(&handle), End::Exited(0));
    // Filling 16 MiB uses one unit for 64 bytes. Growing to that uses the same on wasmi, which writes zeros; wasmtime maps
    // pages.
    let (fuel, expected) = (handle.usage().fuel, by_engine(2, 1) * 16_777_216 / 64);
    assert!((expected - 10_000..expected + 10_000).contains(&fuel), "{fuel}");
}

#[test]
fn a_reason_is_short_whatever_the_module_calls_its_imports() {
    let name = "n".repeat(90_000);
    let mut world = World::new();
    let spec = world.program(&format!(r#"(module (import "env" "{name}" (func)))"#));
    match world.run(spec) {
        End::FailedToStart(reason) => {
            assert!(reason.contains("unknown import \"nnn") && reason.len() <= 2000, "{}", reason.len());
        }
        other => panic!("{other}"),
    }
}
