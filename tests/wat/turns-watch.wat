;; Polls the clock for a number of nanoseconds and returns the longest time between two polls: the longest wait for a
;; turn.
(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (memory (export "memory") 1)
  (func $now (result i64)
    (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 8)))
    (i64.load (i32.const 8)))
  (func (export "watch") (param $length i64) (result i64)
    (local $end i64) (local $last i64) (local $now i64) (local $gap i64) (local $longest i64)
    (local.set $last (call $now))
    (local.set $end (i64.add (local.get $last) (local.get $length)))
    (loop $look
      (local.set $now (call $now))
      (local.set $gap (i64.sub (local.get $now) (local.get $last)))
      (if (i64.gt_u (local.get $gap) (local.get $longest)) (then (local.set $longest (local.get $gap))))
      (local.set $last (local.get $now))
      (br_if $look (i64.lt_u (local.get $now) (local.get $end))))
    (local.get $longest)))
