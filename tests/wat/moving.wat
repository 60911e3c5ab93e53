;; Keeps a sum in a memory that grows, in globals, and by functions of a table.
(module
  (memory 1 1000)
  (global $calls (mut i32) (i32.const 0))
  (global $sum (mut i64) (i64.const 0))
  (table funcref (elem $add $subtract))
  (type $operation (func (param i64 i64) (result i64)))
  (func $add (type $operation) (i64.add (local.get 0) (local.get 1)))
  (func $subtract (type $operation) (i64.sub (local.get 0) (local.get 1)))

  ;; Remembers the number in memory, a page further for each 64th one, and adds or subtracts it.
  (func (export "step") (param $number i32) (result i64)
    (if (i32.eqz (i32.and (global.get $calls) (i32.const 63)))
      (then (drop (memory.grow (i32.const 1)))))
    (i32.store (i32.shl (global.get $calls) (i32.const 10)) (local.get $number))
    (global.set $sum
      (call_indirect (type $operation)
        (global.get $sum)
        (i64.extend_i32_u (local.get $number))
        (i32.and (local.get $number) (i32.const 1))))
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (global.get $sum))

  ;; Makes memory this many pages longer, and writes to each 4 KiB of it.
  (func (export "fill") (param $pages i32) (result i32) (local $at i32)
    (drop (memory.grow (local.get $pages)))
    (loop $next
      (i32.store offset=512 (local.get $at) (local.get $at))
      (local.set $at (i32.add (local.get $at) (i32.const 4096)))
      (br_if $next (i32.lt_u (local.get $at) (i32.shl (memory.size) (i32.const 16)))))
    (local.get $at))

  ;; The length of the memory that has what `fill` wrote.
  (func (export "filled") (result i32) (local $at i32)
    (loop $next
      (if (i32.ne (i32.load offset=512 (local.get $at)) (local.get $at)) (then (return (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 4096)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 0x2800000))))
    (local.get $at))

  ;; The sum of all numbers in memory.
  (func (export "remembered") (result i64) (local $call i32) (local $sum i64)
    (loop $next
      (local.set $sum
        (i64.add (local.get $sum) (i64.load32_u (i32.shl (local.get $call) (i32.const 10)))))
      (local.set $call (i32.add (local.get $call) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $call) (global.get $calls))))
    (local.get $sum)))
