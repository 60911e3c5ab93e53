;; A function's records are freed however it is left: otherwise this many would not fit.
;; run returned 20000 => i64:600
;; run thrown 20000 => i64:700
;; run tail_called 20000 => i64:800
;; run passed_down 10 => i64:900
(module
  (tag $wide (param i64 i64))
  (func $throw (param i64) (throw $wide (local.get 0) (i64.const 1)))

  (func $returned (result i64) (local $kept exnref) (local $value i64)
    (block $caught (result i64 i64 exnref)
      (try_table (catch_ref $wide $caught) (call $throw (i64.const 600)))
      (unreachable))
    (local.set $kept)
    (drop) (local.set $value)
    (if (ref.is_null (local.get $kept)) (then (return (i64.const -1))))
    (local.get $value))
  (func (export "returned") (param i32) (result i64) (local $last i64)
    (loop $again
      (local.set $last (call $returned))
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get $last))

  (func $rethrown (result i64)
    (block $caught (result exnref)
      (try_table (catch_all_ref $caught) (call $throw (i64.const 700)))
      (unreachable))
    (throw_ref))
  (func (export "thrown") (param i32) (result i64) (local $last i64)
    (loop $again
      (block $caught (result i64 i64)
        (try_table (catch $wide $caught) (drop (call $rethrown)))
        (unreachable))
      (drop)
      (local.set $last)
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get $last))

  (func $value (result i64) (i64.const 800))
  (func $tail (result i64) (local $kept exnref)
    (block $caught (result exnref)
      (try_table (catch_all_ref $caught) (call $throw (i64.const 0)))
      (unreachable))
    (local.set $kept)
    (return_call $value))
  (func (export "tail_called") (param i32) (result i64) (local $last i64)
    (loop $again
      (local.set $last (call $tail))
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get $last))

  ;; Records of the callee do not overwrite the ones passed to it.
  (func $down (param $given exnref) (param $depth i32) (result i64)
    (if (i32.eqz (local.get $depth)) (then
      (block $caught (result i64 i64)
        (try_table (catch $wide $caught) (throw_ref (local.get $given)))
        (unreachable))
      (drop)
      (return)))
    (drop (call $returned))
    (block $caught (result exnref)
      (try_table (catch_all_ref $caught) (call $throw (i64.const 5)))
      (unreachable))
    (drop)
    (return_call $down (local.get $given) (i32.sub (local.get $depth) (i32.const 1))))
  (func (export "passed_down") (param i32) (result i64)
    (block $caught (result exnref)
      (try_table (catch_all_ref $caught) (call $throw (i64.const 900)))
      (unreachable))
    (local.get 0)
    (call $down)))
