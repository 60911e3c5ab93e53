;; Traps in every way.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $host (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (type $none (func))
  (table 2 funcref)
  (elem (i32.const 1) $one)
  (global $zero (mut i32) (i32.const 0))
  (global $count (mut i32) (i32.const 0))
  (func $one (result i32) (i32.const 1))

  ;; Just beyond the memory, at the end of 32-bit addresses, and as far as an instruction reaches.
  (func (export "beyond") (drop (i32.load (i32.const 65533))))
  (func (export "end") (i64.store (i32.const -8) (i64.const 1)))
  (func (export "far") (drop (i64.load offset=0xffffffff (i32.const -1))))
  (func (export "divide") (drop (i32.div_u (i32.const 1) (global.get $zero))))
  (func (export "overflow") (drop (i32.div_s (i32.const 0x80000000) (i32.sub (global.get $zero) (i32.const 1)))))
  (func (export "convert") (drop (i32.trunc_f32_s (f32.const nan))))
  (func (export "unreachable") (unreachable))
  (func (export "empty") (call_indirect (type $none) (i32.const 0)))
  (func (export "wrong") (call_indirect (type $none) (i32.const 1)))
  (func (export "outside") (call_indirect (type $none) (i32.const 9)))
  (func $deep (export "deep") (call $deep) (call $deep))
  ;; The deepest call is one of the host.
  (func $deeper (export "deeper")
    (drop (call $host (i32.const 0) (i32.const 4)))
    (call $deeper)
    (call $deeper))

  ;; How often it was called: of an instance that lives on.
  (func (export "count") (result i32)
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (global.get $count)))
