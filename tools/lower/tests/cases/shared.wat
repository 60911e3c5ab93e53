;; A shared memory is an ordinary one, since there is only one thread.
;; shared
;; run other 5 => i32:1
;; run over 0 => i32:2
;; run other64 5 => i32:1
;; run for_ever 0 => trap deadlock
;; run unaligned 2 => trap unaligned atomic
;; run grow 1 => i32:1 i32:2
;; run notify 0 => i32:0
(module
  (import "env" "memory" (memory 1 4 shared))
  (export "memory" (memory 0))
  (func (export "other") (param i32) (result i32)
    (memory.atomic.wait32 (i32.const 0) (local.get 0) (i64.const -1)))
  (func (export "over") (param i32) (result i32)
    (memory.atomic.wait32 (i32.const 0) (local.get 0) (i64.const 1000)))
  (func (export "other64") (param i32) (result i32)
    (memory.atomic.wait64 (i32.const 8) (i64.extend_i32_u (local.get 0)) (i64.const -1)))
  (func (export "for_ever") (param i32) (result i32)
    (memory.atomic.wait32 (i32.const 0) (local.get 0) (i64.const -1)))
  (func (export "unaligned") (param i32) (result i32)
    (memory.atomic.wait32 (local.get 0) (i32.const 0) (i64.const 0)))
  (func (export "grow") (param i32) (result i32 i32) (memory.grow (local.get 0)) (memory.size))
  (func (export "notify") (param i32) (result i32) (memory.atomic.notify (local.get 0) (i32.const 1))))
