//! Clocks, granted and not granted.

use crate::support::{EPOCH_SECONDS, World, call_program, e, errno, spec, timer, with_imports};
use capos_wasm::{End, Grants};

fn time_get(id: u32) -> String {
    call_program("", &format!("(call $clock_time_get (i32.const {id}) (i64.const 1) (i32.const 8))"))
}

fn res_get(id: u32) -> String {
    call_program("", &format!("(call $clock_res_get (i32.const {id}) (i32.const 8))"))
}

/// Exits with 0 if the clock's value, divided by `unit`, is `expected`.
fn expect_time(id: u32, unit: u64, expected: u64) -> String {
    with_imports(&format!(
        r#"(func (export "_start")
            (drop (call $clock_time_get (i32.const {id}) (i64.const 1) (i32.const 8)))
            (call $proc_exit (i64.ne
                (i64.div_u (i64.load (i32.const 8)) (i64.const {unit})) (i64.const {expected}))))"#
    ))
}

#[test]
fn monotonic_is_the_timer() {
    let mut world = World::new();
    world.clock.advance(5_000_000_000);
    assert_eq!(world.run(world.program(&expect_time(1, 1_000_000_000, 5))), End::Exited(0));
}

#[test]
fn monotonic_can_be_read_without_a_call() {
    let mut world = World::new();
    let mut spec = world.program(&expect_time(1, 1, 4711));
    spec.grants.fast_clock = Some(|| 4711);
    assert_eq!(world.run(spec), End::Exited(0));
}

#[test]
fn realtime_is_the_wall_clock() {
    let mut world = World::new();
    assert_eq!(world.run(world.program(&expect_time(0, 1_000_000_000, EPOCH_SECONDS))), End::Exited(0));
}

#[test]
fn resolutions() {
    let mut world = World::new();
    for (id, resolution) in [(0, 1_000), (1, 1)] {
        let program = with_imports(&format!(
            r#"(func (export "_start")
                (drop (call $clock_res_get (i32.const {id}) (i32.const 8)))
                (call $proc_exit (i64.ne (i64.load (i32.const 8)) (i64.const {resolution}))))"#
        ));
        assert_eq!(world.run(world.program(&program)), End::Exited(0), "clock {id}");
    }
}

#[test]
fn an_ungranted_clock_is_enosys() {
    let mut world = World::new();
    for id in [0, 1] {
        assert_eq!(world.run(spec(&time_get(id), Grants::default())), errno(e::NOSYS));
        assert_eq!(world.run(spec(&res_get(id), Grants::default())), errno(e::NOSYS));
    }
}

#[test]
fn one_clock_does_not_bring_the_other() {
    let mut world = World::new();
    let grants = Grants { timer: Some(timer(&world.clock)), ..Grants::default() };
    assert_eq!(world.run(spec(&time_get(1), grants.clone())), errno(0));
    assert_eq!(world.run(spec(&time_get(0), grants)), errno(e::NOSYS));
}

#[test]
fn a_fast_clock_without_a_timer_is_no_clock() {
    let mut world = World::new();
    let grants = Grants { fast_clock: Some(|| 1), ..Grants::default() };
    assert_eq!(world.run(spec(&time_get(1), grants)), errno(e::NOSYS));
}

#[test]
fn processor_time_and_unknown_clocks_are_errors() {
    let mut world = World::new();
    for (id, number) in [(2, e::BADF), (3, e::BADF), (4, e::INVAL), (u32::MAX, e::INVAL)] {
        assert_eq!(world.run(world.program(&time_get(id))), errno(number), "clock {id}");
        assert_eq!(world.run(world.program(&res_get(id))), errno(number), "clock {id}");
    }
}
