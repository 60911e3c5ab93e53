//! Instances that are restarted.

use crate::support::{World, with_imports};
use capos_wasm::{End, Grants, InstanceHandle, InstanceSpec, Limits, Options, Restart, Trap};
use std::{cell::RefCell, rc::Rc};

/// Writes a dot and exits with this status.
fn dot(status: u32) -> String {
    with_imports(&format!(
        r#"(data (i32.const 0) "\40\00\00\00\01\00\00\00") (data (i32.const 64) ".")
        (func (export "_start")
            (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
            (call $proc_exit (i32.const {status})))"#
    ))
}

fn with_policy(world: &World, wat: &str, restart: Restart) -> InstanceSpec {
    let options = Options { restart, ..Options::default() };
    InstanceSpec { options, ..world.program(wat) }
}

/// Lets time pass until `done` returns true.
fn pass_until(world: &mut World, done: impl Fn() -> bool) {
    for _ in 0..1000 {
        if done() {
            return;
        }
        world.clock.advance(1_000_000);
        world.turns(10);
    }
    panic!("it never happened");
}

#[test]
fn a_failure_is_tried_again_so_many_times() {
    let mut world = World::new();
    let handle = world.host.start(with_policy(&world, &dot(3), Restart::OnFailure(4)));
    let begun = world.clock.now_ns();
    assert_eq!(world.wait(&handle), End::Exited(3));
    assert_eq!(world.output(), ".....");
    assert_eq!((handle.restarts(), handle.restart_causes()), (4, vec![End::Exited(3); 4]));
    let paused_ms = (world.clock.now_ns() - begun) / 1_000_000;
    assert!((150..160).contains(&paused_ms), "10 + 20 + 40 + 80 ms: {paused_ms}");
}

#[test]
fn success_is_not_a_failure() {
    let mut world = World::new();
    let handle = world.host.start(with_policy(&world, &dot(0), Restart::OnFailure(4)));
    assert_eq!(world.wait(&handle), End::Exited(0));
    assert_eq!((world.output().as_str(), handle.restarts()), (".", 0));
}

#[test]
fn each_run_has_all_of_its_limits() {
    let mut world = World::new();
    let program = with_imports(r#"(func (export "_start") (loop $again (br $again)))"#);
    let limits = Limits { fuel: Some(100_000), ..Limits::default() };
    let handle =
        world.host.start(InstanceSpec { limits, ..with_policy(&world, &program, Restart::OnFailure(2)) });
    assert_eq!(world.wait(&handle), End::OutOfFuel(100_000));
    assert_eq!(handle.restart_causes(), vec![End::OutOfFuel(100_000); 2]);
    assert!(handle.usage().fuel <= 100_000, "of the last run only");
}

#[test]
fn always_is_for_ever_and_remembers_the_last_causes() {
    let mut world = World::new();
    let told = Rc::new(RefCell::new(Vec::new()));
    let seen = told.clone();
    let observer = move |end: &End, count| seen.borrow_mut().push((end.clone(), count));
    let spec = with_policy(&world, &dot(0), Restart::Always);
    let options = Options { on_restart: Some(Rc::new(observer)), ..spec.options };
    let handle = world.host.start(InstanceSpec { options, ..spec });
    for _ in 0..2_000 {
        world.clock.advance(100_000_000);
        world.turns(5);
    }
    // 200 s: ten pauses of doubling length, then one every ten seconds.
    let restarts = handle.restarts();
    assert!((25..=31).contains(&restarts), "it does not spin: {restarts}");
    assert_eq!(handle.restart_causes().len(), 16);
    assert_eq!(told.borrow().len(), restarts as usize);
    assert_eq!(told.borrow().last(), Some(&(End::Exited(0), restarts)));
    assert_eq!(handle.end(), None);
    kill_and_check(&mut world, &handle);
    assert_eq!(handle.restarts(), restarts);
}

fn kill_and_check(world: &mut World, handle: &InstanceHandle) {
    handle.kill();
    world.turns(5);
    assert_eq!(handle.end(), Some(End::Killed));
}

#[test]
fn being_killed_is_the_end_while_it_runs_and_while_it_pauses() {
    let mut world = World::new();
    let before = Rc::strong_count(&world.console);
    let running = with_imports(r#"(func (export "_start") (loop $again (br $again)))"#);
    let handle = world.host.start(with_policy(&world, &running, Restart::Always));
    world.turns(20);
    kill_and_check(&mut world, &handle);
    let handle = world.host.start(with_policy(&world, &dot(1), Restart::Always));
    pass_until(&mut world, || handle.restarts() == 3);
    kill_and_check(&mut world, &handle);
    assert_eq!(Rc::strong_count(&world.console), before, "nothing of it is left");
}

#[test]
fn causes_of_traps_are_kept_short() {
    let mut world = World::new();
    let program = with_imports(
        r#"(func $down (param i32)
            (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1)))) (else unreachable)))
        (func (export "_start") (call $down (i32.const 40)))"#,
    );
    let handle = world.host.start(with_policy(&world, &program, Restart::OnFailure(1)));
    let frames = |end: &End| match end {
        End::Trap(Trap { backtrace, .. }) => backtrace.len(),
        _ => 0,
    };
    assert_eq!(frames(&world.wait(&handle)), 42);
    assert_eq!(handle.restart_causes().iter().map(frames).collect::<Vec<_>>(), [8]);
}

#[test]
fn what_cannot_start_is_not_tried_again() {
    let mut world = World::new();
    let handle = world.host.start(with_policy(&world, r#"(module (func (export "f")))"#, Restart::Always));
    assert!(matches!(world.wait(&handle), End::FailedToStart(_)));
    let grants = Grants::default();
    let handle = world.host.start(InstanceSpec {
        module: (&b"no module"[..]).into(),
        grants,
        ..with_policy(&world, "(module)", Restart::Always)
    });
    assert!(matches!(handle.end(), Some(End::FailedToStart(_))));
    assert_eq!(handle.restarts(), 0);
}
