//! Modules with exceptions, rewritten and run by an engine that knows none.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use capos_exceptions::lower;
use wasmi::{Engine, Linker, Module, Store};

/// Functions of a module that has been rewritten.
struct Program {
    store: Store<()>,
    instance: wasmi::Instance,
}

impl Program {
    fn new(functions: &str) -> Self {
        let text = format!(
            "(module (type $i (func (result i32))) (type $ii (func (param i32) (result i32)))
             (tag $empty) (tag $int (param i32)) (tag $other (param i32))
             (global $unrelated (mut i32) (i32.const 7)) (table funcref (elem $raise)) {COMMON} {functions})"
        );
        let module = lower(&wat::parse_str(&text).unwrap()).unwrap().unwrap();
        let engine = Engine::default();
        let mut store = Store::new(&engine, ());
        let module = Module::new(&engine, &module).unwrap();
        let instance = Linker::new(&engine).instantiate_and_start(&mut store, &module).unwrap();
        Self { store, instance }
    }

    /// What a function makes of a number; `None` when it traps.
    fn run(&mut self, name: &str, argument: i32) -> Option<i32> {
        let function = self.instance.get_typed_func::<i32, i32>(&self.store, name).unwrap();
        function.call(&mut self.store, argument).ok()
    }
}

/// 0 returns, 1 throws nothing with it, and all else throws the number; and the same from further in.
const COMMON: &str = "
(func $raise (param i32) (result i32)
  (if (i32.eqz (local.get 0)) (then (return (i32.const 1000))))
  (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $empty)))
  (throw $int (local.get 0)))
(func $deep (param i32) (result i32)
  (i32.add (i32.const 1) (call_indirect (type $ii) (local.get 0) (i32.const 0))))";

#[test]
fn what_is_thrown_is_caught_by_its_tag() {
    let mut program = Program::new(
        r#"(func (export "f") (param i32) (result i32)
          (block $all
            (block $caught (result i32)
              (return (try_table (result i32) (catch $int $caught) (catch_all $all)
                (call $deep (local.get 0)))))
            (return (i32.add (i32.const 5000))))
          (i32.const -1))"#,
    );
    assert_eq!(program.run("f", 0), Some(1001));
    assert_eq!(program.run("f", 42), Some(5042));
    assert_eq!(program.run("f", 1), Some(-1));
    // An exception that was caught is over.
    assert_eq!(program.run("f", 0), Some(1001));
}

#[test]
fn what_is_not_caught_goes_further_out_and_traps_at_the_end() {
    let mut program = Program::new(
        r#"(func $inner (param i32) (result i32)
          (block $caught (result i32)
            (return (try_table (result i32) (catch $other $caught) (call $deep (local.get 0))))))
        (func (export "f") (param i32) (result i32)
          (block $caught (result i32)
            (return (try_table (result i32) (catch $int $caught) (call $inner (local.get 0))))))"#,
    );
    assert_eq!(program.run("f", 0), Some(1001));
    assert_eq!(program.run("f", 9), Some(9));
    assert_eq!(program.run("f", 1), None);
}

#[test]
fn a_reference_is_thrown_again() {
    let mut program = Program::new(
        r#"(func $cleanup (param i32) (result i32)
          (block $caught (result exnref)
            (return (try_table (result i32) (catch_all_ref $caught) (call $deep (local.get 0)))))
          (global.set $unrelated (i32.const 8))
          (throw_ref))
        (func (export "f") (param i32) (result i32) (local $reference exnref)
          (block $nothing
            (block $caught (result i32 exnref)
              (drop (try_table (result i32) (catch_ref $int $caught) (catch $empty $nothing)
                (call $cleanup (local.get 0))))
              (return (global.get $unrelated)))
            (local.set $reference)
            (return (i32.mul (i32.const 10) (global.get $unrelated)) (i32.add)))
          (i32.const -2))
        (func (export "null") (param i32) (result i32) (throw_ref (ref.null exn)))"#,
    );
    assert_eq!(program.run("f", 0), Some(7));
    assert_eq!(program.run("f", 5), Some(85));
    assert_eq!(program.run("f", 1), Some(-2));
    assert_eq!(program.run("null", 0), None);
}

#[test]
fn branches_find_their_places_through_what_is_guarded() {
    // Counts the rounds in which nothing is thrown; throws in odd ones, leaves by every kind of branch.
    let mut program = Program::new(
        r#"(func (export "f") (param i32) (result i32) (local $round i32) (local $good i32)
          (block $done
            (loop $next
              (br_if $done (i32.ge_u (local.get $round) (local.get 0)))
              (block $thrown
                (try_table (catch_all $thrown)
                  (local.set $round (i32.add (local.get $round) (i32.const 1)))
                  (block $inner
                    (try_table (catch $other $inner)
                      (br_table $next $inner $thrown (i32.rem_u (local.get $round) (i32.const 7))))
                    (unreachable))
                  (drop (call $deep (i32.and (local.get $round) (i32.const 1))))
                  (local.set $good (i32.add (local.get $good) (i32.const 1)))
                  (br_if $done (i32.eq (local.get $round) (i32.const 50)))
                  (br $next)))
              (br $next)))
          (local.get $good))"#,
    );
    // Of rounds 1 to n, those with round % 7 == 1 that are even count.
    for rounds in [0, 1, 8, 22, 49, 50, 60] {
        let good = (1..=rounds.min(50)).filter(|round| round % 7 == 1 && round % 2 == 0).count();
        assert_eq!(program.run("f", rounds), Some(i32::try_from(good).unwrap()), "{rounds}");
    }
}

#[test]
fn what_is_not_known_is_refused_and_what_has_no_exceptions_is_left_alone() {
    let plain = wat::parse_str("(module (func (export \"f\")))").unwrap();
    assert!(lower(&plain).unwrap().is_none());
    assert!(lower(b"no module").unwrap().is_none());
    for (text, reason) in [
        ("(module (global i32 (i32.const 0)) (tag (param i64)))", "carry"),
        ("(module (import \"m\" \"t\" (tag)) (global i32 (i32.const 0)) (tag))", "imports"),
        ("(module (tag))", "no section of globals"),
    ] {
        let error = lower(&wat::parse_str(text).unwrap()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
