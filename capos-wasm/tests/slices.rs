//! However much work a single instruction does, the guest pauses during it: no slice uses more fuel than the
//! limit.

use crate::support::{World, by_engine};
use capos_wasm::{End, InstanceHandle};
use std::cell::RefCell;

/// On wasmi a slice, plus the most expensive single instruction, plus the fuel of a piece of bulk work. wasmtime pauses
/// before a bulk instruction, at the beginning of a function, and where a loop begins again, and nowhere else: so it is a
/// slice, plus the longest instruction or code without any of these, which is the block of 50,000 sums.
fn most_fuel_at_once() -> u64 {
    by_engine(7_000, 500 + 4 * 50_000 + 500)
}

/// The readings of the clock so far.
#[derive(Default)]
struct Seen {
    instance: Option<InstanceHandle>,
    /// The fuel used at the last reading, and the most used between two.
    last: u64,
    most: u64,
    now_ns: u64,
}

thread_local! {
    static SEEN: RefCell<Seen> = RefCell::default();
}

/// A clock that notes the fuel used since the last reading. Each slice ends with a reading, and then ends the turn, so that
/// its fuel is counted before the next reading.
fn clock() -> u64 {
    SEEN.with_borrow_mut(|seen| {
        let fuel = seen.instance.as_ref().map_or(0, |instance| instance.usage().fuel);
        seen.most = seen.most.max(fuel - seen.last);
        seen.last = fuel;
        seen.now_ns += 1_000_000;
        seen.now_ns
    })
}

/// Runs a program. Returns how it ended, the fuel it used and the most used in one slice.
fn run(program: &str) -> (End, u64, u64) {
    SEEN.take();
    let mut world = World::with_clock(Some(clock));
    let mut spec = world.program(program);
    spec.limits.table_elements = 200_000;
    let handle = world.host.start(spec);
    SEEN.with_borrow_mut(|seen| seen.instance = Some(handle.clone()));
    let end = world.wait(&handle);
    (end, handle.usage().fuel, SEEN.take().most)
}

/// A program that repeats `body` and exits with 0 if `check` then holds.
fn program(items: &str, times: u32, body: &str, check: &str) -> String {
    format!(
        r#"(module {items} (memory 64) (func (export "_start") (local $n i32)
            (loop $again {body}
                (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const {times}))))
            (if (i32.eqz {check}) (then unreachable))))"#
    )
}

const TABLES: &str = "(table $t 60000 funcref) (table $u 60000 funcref) (elem declare func $g) (func $g)";

#[test]
fn every_class_of_instructions_pauses() {
    let locals = "i64 ".repeat(25_000);
    let results = "i64 ".repeat(900);
    let zeros = "i64.const 0 ".repeat(900);
    let sum = "(local.set $x (i32.add (local.get $x) (i32.const 3)))".repeat(50_000);
    let nulls = "(ref.null func) ".repeat(20_000);
    let bytes = "x".repeat(1 << 20);
    // wasmtime could only charge for what is requested, even if it is refused.
    let grown = |elements: u64| by_engine(elements / 16, 0);
    // Locals and results are written one by one by an interpreter of WebAssembly itself; compiled code does not touch
    // those that are not used, and wasmtime charges nothing for them.
    let cases = [
        ("locals", format!("(func $f (local {locals}))"), 50, "(call $f)".into(), "(i32.const 1)", 50 * by_engine(25_000 / 8, 1)),
        (
            "results",
            format!("(func $f (result {results}) {zeros})"),
            50,
            format!("(call $f) {}", "drop ".repeat(900)),
            "(i32.const 1)",
            50 * by_engine(900 * 9 / 8, 900),
        ),
        (
            "a long block",
            format!("(global $x (mut i32) (i32.const 0)) (func $f (local $x i32) {sum} (global.set $x (local.get $x)))"),
            3,
            "(call $f)".into(),
            "(i32.eq (global.get $x) (i32.const 150000))",
            3 * 50_000 * 4,
        ),
        (
            "memory.fill",
            String::new(),
            3,
            "(memory.fill (i32.const 1) (i32.const 7) (i32.const 4000000))".into(),
            "(i32.eq (i32.load (i32.const 3999997)) (i32.const 0x07070707))",
            3 * 4_000_000 / 64,
        ),
        (
            "memory.copy",
            String::new(),
            3,
            "(i32.store8 (i32.const 9) (i32.const 5)) (memory.copy (i32.const 3) (i32.const 0) (i32.const 4000000))
             (memory.copy (i32.const 0) (i32.const 3) (i32.const 4000000))"
                .into(),
            "(i32.eq (i32.load8_u (i32.const 9)) (i32.const 5))",
            3 * 8_000_000 / 64,
        ),
        (
            "memory.init",
            format!("(data $d \"{bytes}\")"),
            3,
            "(memory.init $d (i32.const 5) (i32.const 1) (i32.const 1048575))".into(),
            "(i32.eq (i32.load8_u (i32.const 1048579)) (i32.const 120))",
            3 * 1_048_575 / 64,
        ),
        (
            "table.fill",
            TABLES.into(),
            10,
            "(table.fill $t (i32.const 1) (ref.func $g) (i32.const 59999))".into(),
            "(i32.eqz (ref.is_null (table.get $t (i32.const 59999))))",
            10 * 59_999 / 16,
        ),
        (
            "table.copy",
            TABLES.into(),
            10,
            "(table.set $t (i32.const 7) (ref.func $g)) (table.copy $t $t (i32.const 3) (i32.const 0) (i32.const 50000))
             (table.copy $u $t (i32.const 0) (i32.const 3) (i32.const 50000))"
                .into(),
            "(i32.eqz (ref.is_null (table.get $u (i32.const 7))))",
            10 * 100_000 / 16,
        ),
        (
            "table.init",
            format!("{TABLES} (elem $e funcref (ref.func $g) {nulls})"),
            10,
            "(table.init $t $e (i32.const 9) (i32.const 0) (i32.const 20001))".into(),
            "(i32.eqz (ref.is_null (table.get $t (i32.const 9))))",
            10 * 20_001 / 16,
        ),
        (
            "table.grow",
            "(table $t 0 funcref) (elem declare func $g) (func $g)".into(),
            600,
            "(drop (table.grow $t (ref.func $g) (i32.const 100)))".into(),
            "(i32.eq (table.size $t) (i32.const 60000))",
            grown(60_000),
        ),
        (
            "table.grow by much at once",
            "(table $t 7 funcref) (elem declare func $g) (func $g)".into(),
            1,
            "(if (i32.ne (table.grow $t (ref.func $g) (i32.const -2)) (i32.const -1)) (then unreachable))
             (if (i32.ne (table.grow $t (ref.func $g) (i32.const 199994)) (i32.const -1)) (then unreachable))
             (if (i32.ne (table.grow $t (ref.func $g) (i32.const 199000)) (i32.const 7)) (then unreachable))
             (if (i32.ne (table.grow $t (ref.null func) (i32.const 993)) (i32.const 199007)) (then unreachable))
             (if (i32.ne (table.grow $t (ref.func $g) (i32.const 0)) (i32.const 200000)) (then unreachable))
             (if (ref.is_null (table.get $t (i32.const 7))) (then unreachable))
             (if (ref.is_null (table.get $t (i32.const 199006))) (then unreachable))
             (if (i32.eqz (ref.is_null (table.get $t (i32.const 199007)))) (then unreachable))
             (if (i32.eqz (ref.is_null (table.get $t (i32.const 6)))) (then unreachable))"
                .into(),
            "(i32.eq (table.size $t) (i32.const 200000))",
            grown(200_000),
        ),
    ];
    for (name, items, times, body, check, least_fuel) in cases {
        let (end, fuel, most) = run(&program(&items, times, &body, check));
        assert_eq!(end, End::Exited(0), "{name}");
        assert!(fuel >= least_fuel, "{name} burnt only {fuel}");
        assert!(most <= most_fuel_at_once(), "{name} burnt {most} at once");
    }
}

#[test]
fn bulk_instructions_check_their_bounds_before_they_begin() {
    for body in [
        "(memory.fill (i32.const 1) (i32.const 7) (i32.const 4194304))",
        "(memory.copy (i32.const 1) (i32.const 0) (i32.const 4194304))",
        "(memory.copy (i32.const 0) (i32.const 1) (i32.const 4194304))",
        "(memory.init $d (i32.const 0) (i32.const 1) (i32.const 3))",
        "(table.fill $t (i32.const 1) (ref.func $g) (i32.const 60000))",
        "(table.copy $t $u (i32.const 0) (i32.const 1) (i32.const 60000))",
        "(table.copy $t $t (i32.const 1) (i32.const 0) (i32.const 60000))",
        "(table.init $t $e (i32.const 0) (i32.const 1) (i32.const 1))",
    ] {
        let items = format!("{TABLES} (data $d \"abc\") (elem $e funcref (ref.func $g))");
        let (end, ..) = run(&program(&items, 1, body, "(i32.const 1)"));
        assert!(matches!(end, End::Trap(_)), "{body}: {end}");
    }
}

/// A function is translated when it is first called, by any kind of call, in turns with other tasks.
#[test]
fn calls_of_functions_that_are_still_being_translated_are_calls() {
    let long = |start: u32| {
        let sum = "(local.set $x (i32.add (local.get $x) (i32.const 1)))".repeat(20_000);
        format!(
            "(param $x i32) (result i32) (local.set $x (i32.add (local.get $x) (i32.const {start}))) {sum} (local.get $x)"
        )
    };
    let program = format!(
        r#"(module
        (type $s (func (param i32) (result i32)))
        (table funcref (elem $b $d))
        (func $a {}) (func $b {}) (func $c {}) (func $d {})
        (func $tail (param i32) (result i32) (return_call $c (local.get 0)))
        (func $tail_indirect (param i32) (result i32)
            (return_call_indirect (type $s) (local.get 0) (i32.const 1)))
        (func (export "_start")
            (if (i32.ne (call $a (i32.const 1)) (i32.const 20011)) (then unreachable))
            (if (i32.ne (call_indirect (type $s) (i32.const 2) (i32.const 0)) (i32.const 20022)) (then unreachable))
            (if (i32.ne (call $tail (i32.const 3)) (i32.const 20033)) (then unreachable))
            (if (i32.ne (call $tail_indirect (i32.const 4)) (i32.const 20044)) (then unreachable))))"#,
        long(10),
        long(20),
        long(30),
        long(40)
    );
    let (end, _, most) = run(&program);
    assert_eq!(end, End::Exited(0));
    assert!(most <= most_fuel_at_once());
}

#[test]
fn an_exported_function_may_be_long_itself() {
    let sum = "(local.set $x (i32.add (local.get $x) (i32.const 1)))".repeat(20_000);
    let text = format!(r#"(module (func (export "_start") (local $x i32) {sum}))"#);
    let (end, fuel, most) = run(&text);
    assert_eq!(end, End::Exited(0));
    assert!(fuel >= 80_000 && most <= most_fuel_at_once());
}
