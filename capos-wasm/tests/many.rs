//! Several instances in one host.

use crate::support::{
    World, by_engine, call_program, console, discarded, e, entropy, errno, spec, with_imports,
};
use capos_wasm::{End, Grants, Restart};

const LOOP: &str = r#"(module (func (export "_start") (loop $again (br $again))))"#;

#[test]
fn each_holds_what_it_was_granted_and_nothing_else() {
    let mut world = World::new();
    let random = "(call $random_get (i32.const 64) (i32.const 8))";
    let write = "(call $fd_write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 32))";
    let a = Grants { stdout: Some(console(&world.console).into()), ..Grants::default() };
    let b = Grants { entropy: Some(entropy()), ..Grants::default() };
    let mut handles = Vec::new();
    for (call, grants, expected) in
        [(random, &a, e::NOSYS), (write, &a, 0), (random, &b, 0), (write, &b, e::BADF)]
    {
        handles.push((world.host.start(spec(&call_program("", call), grants.clone())), expected));
    }
    for (handle, expected) in handles {
        assert_eq!(world.wait(&handle), errno(expected));
    }
}

#[test]
fn a_busy_instance_starves_nobody() {
    let mut world = World::new();
    let busy: Vec<_> = (0..3).map(|_| world.host.start(world.program(LOOP))).collect();
    let program = with_imports(
        r#"(data (i32.const 0) "\40\00\00\00\01\00\00\00") (data (i32.const 64) ".")
        (func (export "_start") (local $left i32)
            (local.set $left (i32.const 50))
            (loop $next
                (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
                (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))"#,
    );
    let polite = world.host.start(world.program(&program));
    world.turns(20);
    assert_eq!(polite.end(), Some(End::Exited(0)));
    assert_eq!(world.output(), ".".repeat(50));
    for handle in busy {
        assert_eq!(handle.end(), None);
        assert!(handle.usage().fuel > 500_000, "it ran too: {:?}", handle.usage());
        handle.kill();
        assert_eq!(world.wait(&handle), End::Killed);
    }
}

#[test]
fn calls_that_are_answered_at_once_do_not_keep_the_thread() {
    let mut world = World::new();
    let program = with_imports(
        r#"(func (export "_start") (loop $again
            (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 8)))
            (br $again)))"#,
    );
    let both = [(); 2].map(|()| world.host.start(world.program(&program)));
    world.turns(5);
    for handle in both {
        assert!(handle.usage().fuel > 0);
        handle.kill();
        assert_eq!(world.wait(&handle), End::Killed);
    }
}

#[test]
fn killing_ends_a_loop_and_a_wait_and_a_sleeper() {
    let mut world = World::new();
    let read = with_imports(
        r#"(data (i32.const 0) "\40\00\00\00\04\00\00\00")
        (func (export "_start")
            (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 32))))"#,
    );
    let sleep = with_imports(
        r#"(data (i32.const 16) "\01") (data (i32.const 24) "\ff\ff\ff\ff\ff\ff\ff\ff")
        (func (export "_start")
            (drop (call $poll_oneoff (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128))))"#,
    );
    for program in [LOOP, &read, &sleep] {
        let handle = world.host.start(world.program(program));
        world.turns(20);
        assert_eq!(handle.end(), None);
        handle.kill();
        world.turns(3);
        assert_eq!(handle.end(), Some(End::Killed));
    }
}

#[test]
fn killing_before_the_first_step_and_after_the_last() {
    let mut world = World::new();
    let handle = world.host.start(world.program(LOOP));
    handle.kill();
    assert_eq!(world.wait(&handle), End::Killed);
    let handle = world.host.start(world.program(&with_imports(r#"(func (export "_start"))"#)));
    assert_eq!(world.wait(&handle), End::Exited(0));
    handle.kill();
    assert_eq!(world.wait(&handle), End::Exited(0));
}

#[test]
fn an_ended_instance_gives_its_capabilities_back() {
    let mut world = World::new();
    let before = std::rc::Rc::strong_count(&world.console);
    let handle = world.host.start(world.program(LOOP));
    assert!(std::rc::Rc::strong_count(&world.console) > before);
    handle.kill();
    world.wait(&handle);
    assert_eq!(std::rc::Rc::strong_count(&world.console), before);
}

#[test]
fn an_empty_module_exits_at_once_and_says_so() {
    let mut world = World::new();
    let handle = world.host.start(world.program("(module)"));
    assert_eq!(world.wait(&handle), End::Exited(0));
    assert!(handle.is_empty_module());
    let handle = world.host.start(world.program(r#"(module (func (export "f")))"#));
    assert!(matches!(world.wait(&handle), End::FailedToStart(_)));
    assert!(!handle.is_empty_module());
}

#[test]
fn the_memory_of_an_instance_that_ends_is_given_back_in_parts() {
    const STEP: usize = 2 << 20;
    let spin = "(loop $again (br $again))";
    for (start, table, kill) in
        [("", 0, false), ("unreachable", 0, false), (spin, 0, true), ("", 1_000_000, false)]
    {
        // None of it is exported.
        let program =
            format!(r#"(module (memory 512) (table {table} funcref) (func (export "_start") {start}))"#);
        let mut world = World::new();
        let mut spec = world.program(&program);
        spec.limits.table_elements = table;
        discarded::take();
        let handle = world.host.start(spec);
        if kill {
            handle.kill();
        }
        world.wait(&handle);
        let parts = discarded::take();
        assert!(parts.iter().all(|&bytes| bytes <= STEP), "{start}: {parts:?}");
        // wasmtime unmaps each memory at once, and lends none that is not exported.
        let freed = by_engine((512 << 16) + table as usize * 4, 0);
        assert_eq!(parts.iter().sum::<usize>(), freed, "{start}: {parts:?}");
    }
}

#[test]
fn others_have_their_turns_while_memory_is_given_back() {
    let mut world = World::new();
    let large = world.host.start(world.program(r#"(module (memory 1024) (func (export "_start")))"#));
    let small = world.host.start(world.program(
        r#"(module (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
        (memory (export "memory") 1)
        (func (export "_start") (drop (call $yield)) (drop (call $yield)) (drop (call $yield))))"#,
    ));
    discarded::take();
    world.wait(&small);
    // On wasmtime it was freed at once.
    let end = by_engine(None, Some(End::Exited(0)));
    assert_eq!(large.end(), end, "the other one is still being freed: {:?}", discarded::take());
    assert_eq!(world.wait(&large), End::Exited(0));
}

#[test]
fn a_start_that_fails_and_the_runs_before_a_restart_are_freed_in_parts_too() {
    let mut world = World::new();
    discarded::take();
    let failing = r#"(module (memory 64) (data (i32.const 4194304) "x") (func (export "_start")))"#;
    assert!(matches!(world.run(world.program(failing)), End::FailedToStart(_)));
    // On wasmtime everything is freed at once.
    assert_eq!(discarded::take().len(), by_engine(2, 0));
    let mut spec = world.program(r#"(module (memory 64) (func (export "_start") unreachable))"#);
    spec.options.restart = Restart::OnFailure(2);
    assert!(matches!(world.run(spec), End::Trap(_)));
    assert_eq!(discarded::take().len(), by_engine(3 * 2, 0));
}
