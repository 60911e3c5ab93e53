//! State, resources and limits of an instance continue on the other engine.

use super::{CALLS, COMPILED, INTERPRETED, MOVED, Moving};
use crate::support::{Guest, discarded, namespace, o, preopen, right, volume};
use capos_wasm::{End, Grants, Limits, Restart, Value};

/// Changes all kinds of state in each step, and returns a digest of it.
const STATE: &str = r#"(module
    (memory (export "memory") 1 20) (memory 1 4)
    (global $i32 (mut i32) (i32.const 1)) (global $i64 (export "i64") (mut i64) (i64.const 2))
    (global $f32 (mut f32) (f32.const 0.5)) (global $f64 (mut f64) (f64.const 0.25))
    (global $v128 (mut v128) (v128.const i64x2 1 2)) (global $constant i32 (i32.const 7))
    (global $started (mut i32) (i32.const 0))
    (table 8 funcref)
    (elem (i32.const 3) $double $increment)
    (data (i32.const 100) "initial") (data $later "passive") (data (memory 1) (i32.const 65530) "other")
    (func $started (global.set $started (i32.add (global.get $started) (i32.const 1))))
    (start $started)
    (func $double (param i32) (result i32) (i32.shl (local.get 0) (i32.const 1)))
    (func $increment (param i32) (result i32) (i32.add (local.get 0) (global.get $constant)))
    (func (export "_initialize") (call $started))
    (func (export "step") (result i32) (local $n i32)
        (local.set $n (call_indirect (param i32) (result i32)
            (global.get $i32) (i32.add (i32.const 3) (i32.and (global.get $i32) (i32.const 1)))))
        (global.set $i32 (i32.add (local.get $n) (i32.const 1)))
        (global.set $i64 (i64.add (i64.rotl (global.get $i64) (i64.const 7)) (i64.extend_i32_u (local.get $n))))
        (global.set $f32 (f32.add (global.get $f32) (f32.const 1.25)))
        (global.set $f64 (f64.sub (global.get $f64) (f64.const 3.5)))
        (global.set $v128 (i32x4.add (global.get $v128) (i32x4.splat (local.get $n))))
        (i32.store (i32.and (local.get $n) (i32.const 0xfffc)) (i32.wrap_i64 (global.get $i64)))
        (i64.store 1 (i32.and (local.get $n) (i32.const 0xfff8)) (i64.load (i32.const 100)))
        (if (i32.eqz (i32.and (local.get $n) (i32.const 31)))
            (then
                (drop (memory.grow (i32.const 1)))
                (i32.store (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4)) (local.get $n))))
        (memory.init $later (i32.const 200) (i32.const 0) (i32.const 7))
        (call $digest))
    (func $digest (export "digest") (result i32) (local $at i32) (local $sum i32)
        (loop $next
            (local.set $sum (i32.add (i32.rotl (local.get $sum) (i32.const 5)) (i32.load (local.get $at))))
            (br_if $next (i32.lt_u
                (local.tee $at (i32.add (local.get $at) (i32.const 252)))
                (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4)))))
        (local.set $sum (i32.add (local.get $sum) (i32.load 1 (i32.const 65532))))
        (local.set $sum (i32.add (local.get $sum) (memory.size)))
        (local.set $sum (i32.add (local.get $sum) (i32.mul (global.get $started) (i32.const 1000))))
        (local.set $sum (i32.xor (local.get $sum) (i32.wrap_i64 (i64x2.extract_lane 1 (global.get $v128)))))
        (local.set $sum (i32.xor (local.get $sum) (i32.reinterpret_f32 (global.get $f32))))
        (i32.xor (local.get $sum) (i32.wrap_i64 (i64.reinterpret_f64 (global.get $f64)))))
    (func (export "trap") (result i32) (call $fail) (i32.const 0))
    (func $fail (call_indirect (i32.const 0))))"#;

#[test]
fn memory_globals_and_tables() {
    // The same without code, to compare with.
    let mut machine = crate::support::second_machine();
    machine.instead = Some(Err("not here".to_owned()));
    let mut staying = Moving::with_machine(machine);
    let expected = staying.start(STATE);
    let mut moving = Moving::new();
    let handle = moving.start(STATE);
    for call in 1..3 * CALLS {
        let notes = moving.notes();
        assert_eq!(moving.number(&handle, "step"), staying.number(&expected, "step"), "call {call}");
        match call {
            ..=CALLS => assert_eq!(notes, [""; 0], "before call {call}"),
            _ => assert_eq!(moving.notes(), [MOVED], "after call {call}"),
        }
        assert_eq!(handle.usage().memory_bytes, expected.usage().memory_bytes, "call {call}");
    }
    let Err(error) = moving.call(&handle, "trap", &[]) else { panic!("it returned") };
    assert!(error.to_string().ends_with(COMPILED), "{error}");
    let Err(error) = staying.call(&expected, "trap", &[]) else { panic!("it returned") };
    assert!(error.to_string().ends_with(INTERPRETED), "{error}");
}

#[test]
fn open_files_and_their_positions() {
    let mut moving = Moving::new();
    let root = namespace(&mut moving.world, &volume(7), "/", "rwm", 0);
    let grants = Grants { preopens: vec![preopen("/", root)], ..moving.world.all_grants() };
    let Moving { world, notes } = moving;
    let mut guest = Guest::new(world, grants, Limits::default());
    let file = guest.open(3, "file", o::CREAT, right::READ | right::WRITE | right::SEEK | right::TELL);
    let file = file.expect("a file");
    guest.write(file, b"before ").expect("it is written");
    while notes.borrow().is_empty() {
        guest.fdstat(file).expect("it is open");
    }
    assert_eq!(*notes.borrow(), ["instance \"caller\" continues as compiled code"]);
    assert_eq!(guest.tell(file), Ok(7));
    guest.write(file, b"and after").expect("it is written");
    assert_eq!(guest.pread(file, 100, 0), Ok(b"before and after".to_vec()));
    assert_eq!(guest.close(file), Ok(()));
}

#[test]
fn the_limit_of_memory_and_what_is_used_of_it() {
    let mut moving = Moving::new();
    let mut spec = moving.served(
        r#"(module (memory 1)
        (func (export "grow") (result i32) (memory.grow (i32.const 1)))
        (func (export "last") (result i32) (i32.load8_u (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1))))
        (func (export "mark") (result i32)
            (i32.store8 (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1)) (i32.const 77)) (i32.const 0)))"#,
    );
    spec.limits.memory_bytes = 64 << 16;
    let handle = moving.world.host.start(spec);
    for pages in 1..64 {
        assert_eq!(moving.number(&handle, "grow"), pages);
    }
    moving.number(&handle, "mark");
    discarded::take();
    // All that the limit allows is in use, and it moves nevertheless.
    moving.call_until_moved(&handle, "last");
    assert_eq!(moving.notes(), [MOVED]);
    assert_eq!(handle.usage().memory_bytes, 64 << 16);
    let freed: usize = discarded::take().into_iter().sum();
    assert!(freed >= 64 << 16, "freed in parts: {freed}");
    assert_eq!(moving.number(&handle, "last"), 77);
    assert_eq!(moving.number(&handle, "grow"), -1);
}

#[test]
fn the_limit_of_fuel_and_what_is_used_of_it() {
    const FUEL: u64 = 100_000;
    let mut moving = Moving::new();
    let mut spec = moving.served(
        r#"(module (func (export "work") (result i32) (local $n i32)
        (loop $again (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 50))))
        (local.get $n)))"#,
    );
    spec.limits.fuel = Some(FUEL);
    let handle = moving.world.host.start(spec);
    moving.call_until_moved(&handle, "work");
    assert_eq!(moving.notes(), [MOVED]);
    let used = handle.usage().fuel;
    assert!(used > CALLS as u64 * 100, "{used}");
    moving.number(&handle, "work");
    let more = handle.usage().fuel - used;
    let before = used / CALLS as u64;
    assert!(before < 2 * more && more < 2 * before, "a call takes about as much: {before}, {more}");
    while moving.call(&handle, "work", &[]).is_ok() {}
    assert_eq!(handle.end(), Some(End::OutOfFuel(FUEL)));
    assert_eq!(handle.usage().fuel, FUEL);
}

#[test]
fn a_trap_in_the_next_call_with_its_functions() {
    for calls in [CALLS - 1, CALLS] {
        let mut moving = Moving::new();
        let handle = moving.start(STATE);
        for _ in 0..calls {
            moving.number(&handle, "digest");
        }
        let _ = moving.call(&handle, "trap", &[]);
        let Some(End::Trap(trap)) = handle.end() else { panic!("{:?}", handle.end()) };
        assert_eq!(trap.message, if calls == CALLS { COMPILED } else { INTERPRETED });
        assert_eq!(trap.backtrace, ["fail", "function 6"]);
    }
}

#[test]
fn callers_in_the_queue_notice_nothing() {
    let mut moving = Moving::new();
    let handle = moving.start(STATE);
    for _ in 1..CALLS {
        moving.number(&handle, "digest");
    }
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let handle = handle.clone();
            moving.world.begin(async move { handle.call("digest", &[]).await })
        })
        .collect();
    let mut results = Vec::new();
    for call in calls {
        results.push(moving.world.block_on(call).expect("an answer").expect("a result"));
    }
    assert_eq!(moving.notes(), [MOVED]);
    results.dedup();
    assert!(matches!(results[..], [ref only] if matches!(only[..], [Value::I32(_)])), "{results:?}");
}

#[test]
fn later_starts_and_restarts_take_the_code() {
    let mut moving = Moving::new();
    let handle = moving.start(STATE);
    moving.number(&handle, "digest");
    let later = moving.start(STATE);
    let Err(error) = moving.call(&later, "trap", &[]) else { panic!("it returned") };
    assert!(error.to_string().ends_with(COMPILED), "{error}");

    let mut program = moving
        .world
        .program(r#"(module (table 1 funcref) (func (export "_start") (call_indirect (i32.const 0))))"#);
    program.options.restart = Restart::OnFailure(2);
    let handle = moving.world.host.start(program);
    moving.world.wait(&handle);
    let message = |end: &End| match end {
        End::Trap(trap) => trap.message.clone(),
        other => panic!("{other}"),
    };
    let causes: Vec<_> = handle.restart_causes().iter().map(message).collect();
    assert_eq!(causes, [INTERPRETED, COMPILED]);
}
