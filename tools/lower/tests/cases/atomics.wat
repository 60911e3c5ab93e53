;; Atomic instructions on a memory that is not shared.
;; run load 0 => i32:0
;; run load 1 => trap unaligned atomic
;; run load 65536 => trap out of bounds memory access
;; run load_far 65532 => trap out of bounds memory access
;; run load_offset 2 => i32:0
;; run load_offset 0 => trap unaligned atomic
;; run narrow 7 => i32:255 i32:65535 i64:255 i64:65535 i64:4294967295
;; run add 8 => i32:5 i32:12
;; run add64 8 => i64:5 i64:-3
;; run sub 8 => i32:5 i32:-2
;; run and 8 => i32:12 i32:8
;; run or 8 => i32:12 i32:14
;; run xor 8 => i32:12 i32:6
;; run exchange 8 => i32:5 i32:9
;; run wraps 8 => i32:255 i32:1
;; run high_bytes_stay 8 => i32:511
;; run compare 5 => i32:5 i32:9
;; run compare 6 => i32:5 i32:5
;; run compare_narrow 5 => i32:5 i32:9
;; run compare_narrow 6 => i32:5 i32:5
;; run compare_narrow64 5 => i64:5 i64:9
;; run store_unaligned 3 => trap unaligned atomic
;; run add_unaligned 9 => trap unaligned atomic
;; run compare_unaligned 12 => trap unaligned atomic
;; run notify 16 => i32:0
;; run notify 17 => trap unaligned atomic
;; run notify 65536 => trap out of bounds memory access
;; run wait 16 => trap expected shared memory
;; run fence 4 => i32:4
(module
  (memory 1)
  (func (export "load") (param i32) (result i32) (i32.atomic.load (local.get 0)))
  (func (export "load_far") (param i32) (result i32) (i32.atomic.load offset=4 (local.get 0)))
  (func (export "load_offset") (param i32) (result i32) (i32.atomic.load offset=2 (local.get 0)))
  (func (export "narrow") (param i32) (result i32 i32 i64 i64 i64)
    (i64.store (i32.const 64) (i64.const -1))
    (i32.atomic.load8_u (i32.add (i32.const 57) (local.get 0)))
    (i32.atomic.load16_u (i32.const 64))
    (i64.atomic.load8_u (i32.const 64))
    (i64.atomic.load16_u (i32.const 64))
    (i64.atomic.load32_u (i32.const 64)))
  (func (export "add") (param i32) (result i32 i32)
    (i32.atomic.store (local.get 0) (i32.const 5))
    (i32.atomic.rmw.add (local.get 0) (i32.const 7))
    (i32.atomic.load (local.get 0)))
  (func (export "add64") (param i32) (result i64 i64)
    (i64.atomic.store (local.get 0) (i64.const 5))
    (i64.atomic.rmw.add (local.get 0) (i64.const -8))
    (i64.atomic.load (local.get 0)))
  (func (export "sub") (param i32) (result i32 i32)
    (i32.atomic.store (local.get 0) (i32.const 5))
    (i32.atomic.rmw.sub (local.get 0) (i32.const 7))
    (i32.atomic.load (local.get 0)))
  (func (export "and") (param i32) (result i32 i32)
    (i32.atomic.store (local.get 0) (i32.const 12))
    (i32.atomic.rmw.and (local.get 0) (i32.const 10))
    (i32.atomic.load (local.get 0)))
  (func (export "or") (param i32) (result i32 i32)
    (i32.atomic.store (local.get 0) (i32.const 12))
    (i32.atomic.rmw.or (local.get 0) (i32.const 10))
    (i32.atomic.load (local.get 0)))
  (func (export "xor") (param i32) (result i32 i32)
    (i32.atomic.store (local.get 0) (i32.const 12))
    (i32.atomic.rmw.xor (local.get 0) (i32.const 10))
    (i32.atomic.load (local.get 0)))
  (func (export "exchange") (param i32) (result i32 i32)
    (i32.atomic.store (local.get 0) (i32.const 5))
    (i32.atomic.rmw.xchg (local.get 0) (i32.const 9))
    (i32.atomic.load (local.get 0)))
  (func (export "wraps") (param i32) (result i32 i32)
    (i32.atomic.store (local.get 0) (i32.const 255))
    (i32.atomic.rmw8.add_u (local.get 0) (i32.const 2))
    (i32.atomic.load (local.get 0)))
  (func (export "high_bytes_stay") (param i32) (result i32)
    (i32.atomic.store (local.get 0) (i32.const 0x100))
    (i32.atomic.store8 (local.get 0) (i32.const 0x7ff))
    (i32.atomic.load (local.get 0)))
  (func (export "compare") (param i32) (result i32 i32)
    (i32.atomic.store (i32.const 8) (i32.const 5))
    (i32.atomic.rmw.cmpxchg (i32.const 8) (local.get 0) (i32.const 9))
    (i32.atomic.load (i32.const 8)))
  ;; Of the expected value, as many bytes count as the access has.
  (func (export "compare_narrow") (param i32) (result i32 i32)
    (i32.atomic.store (i32.const 8) (i32.const 5))
    (i32.atomic.rmw8.cmpxchg_u (i32.const 8) (i32.add (i32.const 256) (local.get 0)) (i32.const 9))
    (i32.atomic.load (i32.const 8)))
  (func (export "compare_narrow64") (param i32) (result i64 i64)
    (i64.atomic.store (i32.const 8) (i64.const 5))
    (i64.atomic.rmw16.cmpxchg_u (i32.const 8) (i64.extend_i32_u (local.get 0)) (i64.const 9))
    (i64.atomic.load (i32.const 8)))
  (func (export "store_unaligned") (param i32) (i64.atomic.store (local.get 0) (i64.const 1)))
  (func (export "add_unaligned") (param i32) (result i32) (i32.atomic.rmw16.add_u (local.get 0) (i32.const 1)))
  (func (export "compare_unaligned") (param i32) (result i64)
    (i64.atomic.rmw.cmpxchg (local.get 0) (i64.const 1) (i64.const 2)))
  (func (export "notify") (param i32) (result i32) (memory.atomic.notify (local.get 0) (i32.const 1)))
  (func (export "wait") (param i32) (result i32)
    (memory.atomic.wait32 (local.get 0) (i32.const 0) (i64.const 0)))
  (func (export "fence") (param i32) (result i32) (atomic.fence) (local.get 0)))
