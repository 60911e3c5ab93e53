;; References to exceptions: kept, compared with null, thrown again, passed on.
;; run again 0 => i32:7
;; run again 5 => i32:85
;; run again 1 => i32:-2
;; run null 0 => trap null reference
;; run is_null 0 => i32:1
;; run is_null 3 => i32:0
;; run wide 6 => i64:600 f64:6.5
;; run two_at_once 5 => i64:1002 f64:2.5
;; run passed 4 => i64:400 f64:4.5
;; run kept_in_global 3 => i64:300 f64:3.5
;; run nested 2 => i64:200 f64:2.5
;; run float 2 => f32:2.5
;; run many 1000 => i64:100
;; run branches 0 => i32:10
;; run branches 3 => i32:20
;; run selected 0 => i32:1
;; run selected 1 => i32:2
(module
  (tag $empty) (tag $int (param i32)) (tag $wide (param i64 f64)) (tag $float (param f32))
  (tag $carrier (param i32 exnref))
  (global $unrelated (mut i32) (i32.const 7))
  (global $kept (mut exnref) (ref.null exn))
  (func $raise (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 1000))))
    (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $empty)))
    (throw $int (local.get 0)))
  (func $cleanup (param i32) (result i32)
    (block $caught (result exnref)
      (return (try_table (result i32) (catch_all_ref $caught) (call $raise (local.get 0)))))
    (global.set $unrelated (i32.const 8))
    (throw_ref))
  (func (export "again") (param i32) (result i32) (local $reference exnref)
    (global.set $unrelated (i32.const 7))
    (block $nothing
      (block $caught (result i32 exnref)
        (drop (try_table (result i32) (catch_ref $int $caught) (catch $empty $nothing)
          (call $cleanup (local.get 0))))
        (return (global.get $unrelated)))
      (local.set $reference)
      (return (i32.mul (i32.const 10) (global.get $unrelated)) (i32.add)))
    (i32.const -2))
  (func (export "null") (param i32) (result i32) (throw_ref (ref.null exn)))

  (func $catch (param i32) (result exnref)
    (block $caught (result exnref)
      (drop (try_table (result i32) (catch_all_ref $caught) (call $raise (local.get 0))))
      (ref.null exn)))
  (func (export "is_null") (param i32) (result i32) (ref.is_null (call $catch (local.get 0))))

  (func $throw_wide (param i32)
    (throw $wide (i64.mul (i64.const 100) (i64.extend_i32_u (local.get 0)))
      (f64.add (f64.const 0.5) (f64.convert_i32_u (local.get 0)))))
  (func $catch_wide (param i32) (result exnref)
    (block $caught (result exnref)
      (try_table (catch_all_ref $caught) (call $throw_wide (local.get 0)))
      (unreachable)))
  (func (export "wide") (param i32) (result i64 f64)
    (block $caught (result i64 f64)
      (try_table (catch $wide $caught) (throw_ref (call $catch_wide (local.get 0))))
      (unreachable)))

  ;; The first is unchanged after the second has been thrown and caught.
  (func (export "two_at_once") (param i32) (result i64 f64) (local $first exnref) (local $second exnref)
    (local.set $first (call $catch_wide (i32.const 2)))
    (local.set $second (call $catch_wide (i32.const 8)))
    (block $caught (result i64 f64)
      (try_table (catch $wide $caught) (throw_ref (local.get $second)))
      (unreachable))
    (drop) (drop)
    (block $caught (result i64 f64)
      (try_table (catch $wide $caught) (throw_ref (local.get $first)))
      (unreachable))
    (call $add_802))
  (func $add_802 (param i64 f64) (result i64 f64) (i64.add (local.get 0) (i64.const 802)) (local.get 1))

  (func $throw_it (param exnref) (throw_ref (local.get 0)))
  (func $use (param $x exnref) (result i64 f64)
    (drop (call $catch_wide (i32.const 77)))
    (block $caught (result i64 f64)
      (try_table (catch $wide $caught) (call $throw_it (local.get $x)))
      (unreachable)))
  (func (export "passed") (param i32) (result i64 f64) (call $use (call $catch_wide (local.get 0))))

  (func (export "kept_in_global") (param i32) (result i64 f64)
    (global.set $kept (call $catch_wide (local.get 0)))
    (drop (call $catch_wide (i32.const 55)))
    (call $use (global.get $kept)))

  ;; An exception that carries another.
  (func (export "nested") (param i32) (result i64 f64) (local $number i32)
    (block $caught (result i32 exnref)
      (try_table (catch $carrier $caught)
        (throw $carrier (i32.const 1) (call $catch_wide (local.get 0))))
      (unreachable))
    (call $second)
    (call $use))
  (func $second (param i32 exnref) (result exnref) (local.get 1))

  (func (export "float") (param i32) (result f32) (local $reference exnref)
    (block $caught (result f32 exnref)
      (try_table (catch_ref $float $caught)
        (throw $float (f32.add (f32.const 0.5) (f32.convert_i32_u (local.get 0)))))
      (unreachable))
    (local.set $reference)
    (drop)
    (block $caught (result f32)
      (try_table (catch $float $caught) (throw_ref (local.get $reference)))
      (unreachable)))

  (func (export "many") (param i32) (result i64) (local $last exnref)
    (loop $again
      (local.set $last (call $catch_wide (i32.const 1)))
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (call $use (local.get $last))
    (drop))

  (func (export "branches") (param i32) (result i32)
    (block $null
      (block $some (result (ref exn))
        (br_on_non_null $some (call $catch (local.get 0)))
        (br_on_null $null (ref.null exn))
        (drop)
        (return (i32.const 30)))
      (drop (ref.as_non_null (br_on_null $null)))
      (return (i32.const 20)))
    (i32.const 10))

  (func (export "selected") (param i32) (result i32)
    (block $int (result i32)
      (block $empty
        (try_table (catch $int $int) (catch $empty $empty)
          (throw_ref (select (result exnref) (call $catch (i32.const 2)) (call $catch (i32.const 1)) (local.get 0))))
        (unreachable))
      (i32.const 1))))
