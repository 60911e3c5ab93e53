;; Exceptions that carry any number of values of any type.
;; run numbers 0 => i32:7 i64:-8 f32:1.5 f64:-2.5
;; run numbers 1 => i32:1 i64:2 f32:3 f64:4
;; run twice_each 5 => i32:5 i32:6 i64:7 i64:8
;; run vector 3 => i32:30
;; run references 4 => i32:44
;; run references 0 => i32:-1
;; run nothing 0 => i32:9
;; run many 2 => i32:210
(module
  (type $get (func (result i32)))
  (tag $numbers (param i32 i64 f32 f64))
  (tag $pairs (param i32 i32 i64 i64))
  (tag $vector (param v128))
  (tag $references (param funcref externref i32))
  (tag $empty)
  (tag $many (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32))
  (table $functions 1 funcref)
  (elem declare func $forty)
  (func $forty (result i32) (i32.const 40))

  (func $throw_numbers (param i32)
    (if (local.get 0)
      (then (throw $numbers (i32.const 1) (i64.const 2) (f32.const 3) (f64.const 4))))
    (throw $numbers (i32.const 7) (i64.const -8) (f32.const 1.5) (f64.const -2.5)))
  (func (export "numbers") (param i32) (result i32 i64 f32 f64)
    (block $nothing
      (block $caught (result i32 i64 f32 f64)
        (try_table (catch $empty $nothing) (catch $numbers $caught) (call $throw_numbers (local.get 0)))
        (unreachable))
      (return))
    (unreachable))

  (func (export "twice_each") (param i32) (result i32 i32 i64 i64)
    (block $caught (result i32 i32 i64 i64)
      (try_table (catch $pairs $caught)
        (throw $pairs (local.get 0) (i32.const 6) (i64.const 7) (i64.const 8)))
      (unreachable)))

  (func $throw_vector (param i32) (throw $vector (i32x4.splat (local.get 0))))
  (func (export "vector") (param i32) (result i32) (local $v v128)
    (block $caught (result v128)
      (try_table (catch $vector $caught) (call $throw_vector (i32.mul (local.get 0) (i32.const 5))))
      (unreachable))
    (local.set $v)
    (i32.add (i32x4.extract_lane 0 (local.get $v)) (i32x4.extract_lane 3 (local.get $v))))

  (func $throw_references (param i32)
    (if (i32.eqz (local.get 0)) (then (throw $references (ref.null func) (ref.null extern) (i32.const 0))))
    (throw $references (ref.func $forty) (ref.null extern) (local.get 0)))
  (func (export "references") (param i32) (result i32) (local $n i32)
    (block $caught (result funcref externref i32)
      (try_table (catch $references $caught) (call $throw_references (local.get 0)))
      (unreachable))
    (local.set $n)
    (drop)
    (i32.const 0)
    (call $put)
    (if (result i32) (ref.is_null (table.get $functions (i32.const 0)))
      (then (i32.const -1))
      (else (i32.add (call_indirect $functions (type $get) (i32.const 0)) (local.get $n)))))
  (func $put (param funcref i32) (table.set $functions (local.get 1) (local.get 0)))

  (func (export "nothing") (param i32) (result i32)
    (block $caught
      (try_table (catch $empty $caught) (throw $empty)))
    (i32.const 9))

  (func (export "many") (param i32) (result i32)
    (block $caught (result i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)
      (try_table (catch $many $caught)
        (throw $many (i32.const 1) (local.get 0) (i32.const 3) (i32.const 4) (i32.const 5) (i32.const 6)
          (i32.const 7) (i32.const 8) (i32.const 9) (i32.const 10) (i32.const 11) (i32.const 12) (i32.const 13)
          (i32.const 14) (i32.const 15) (i32.const 16) (i32.const 17) (i32.const 18) (i32.const 19) (i32.const 20)))
      (unreachable))
    i32.add i32.add i32.add i32.add i32.add i32.add i32.add i32.add i32.add i32.add
    i32.add i32.add i32.add i32.add i32.add i32.add i32.add i32.add i32.add))
