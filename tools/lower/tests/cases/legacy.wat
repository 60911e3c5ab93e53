;; The older form: try, catch, catch_all, rethrow, delegate.
;; legacy
;; run caught 5 => i32:5005
;; run caught 0 => i32:1000
;; run caught 1 => i32:-1
;; run rethrown 5 => i32:1005
;; run rethrown 1 => i32:2000
;; run outer_rethrown 7 => i32:3007
;; run delegated 6 => i32:106
;; run delegated_over 6 => i32:6
;; run delegated_out 6 => i32:706
;; run delegated_from_catch 6 => i32:806
;; run loops 10 => i32:45
;; run wide 4 => i64:400 f64:4.5
;; run results 3 => i32:3 i64:30
;; run results 0 => i32:1000 i64:0
;; run branch_out 2 => i32:11
;; run empty 0 => i32:1000
;; run empty 4 => trap uncaught exception
;; run many 20000 => i64:300
(module
  (tag $empty) (tag $int (param i32)) (tag $wide (param i64 f64))
  (func $raise (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 1000))))
    (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $empty)))
    (throw $int (local.get 0)))
  (func $caught (export "caught") (param i32) (result i32)
    try (result i32)
      local.get 0
      call $raise
    catch $int
      i32.const 5000
      i32.add
    catch_all
      i32.const -1
    end)
  (func $cleanup (param i32) (result i32)
    try (result i32)
      local.get 0
      call $raise
    catch_all
      rethrow 0
    end)
  (func (export "rethrown") (param i32) (result i32)
    try (result i32)
      local.get 0
      call $cleanup
    catch $int
      i32.const 1000
      i32.add
    catch $empty
      i32.const 2000
    end)
  ;; Throws the outer exception again after another was caught within.
  (func $outer (param i32) (result i32)
    try (result i32)
      local.get 0
      call $raise
    catch $int
      drop
      try (result i32)
        i32.const 99
        call $raise
      catch $int
        drop
        rethrow 1
      end
    end)
  (func (export "outer_rethrown") (param i32) (result i32)
    try (result i32)
      local.get 0
      call $outer
    catch $int
      i32.const 3000
      i32.add
    end)
  (func (export "delegated") (param i32) (result i32)
    try $out (result i32)
      try (result i32)
        local.get 0
        call $raise
      delegate $out
    catch $int
      i32.const 100
      i32.add
    end)
  ;; Goes past the middle one.
  (func (export "delegated_over") (param i32) (result i32)
    try $out (result i32)
      try $middle (result i32)
        try (result i32)
          local.get 0
          call $raise
        delegate $out
      catch_all
        i32.const -1
      end
    catch $int
    end)
  (func $to_caller (param i32) (result i32)
    block $b
      try
        try
          local.get 0
          call $raise
          drop
        delegate 2
      catch_all
        unreachable
      end
    end
    i32.const 0)
  (func (export "delegated_out") (param i32) (result i32)
    try (result i32)
      local.get 0
      call $to_caller
    catch $int
      i32.const 700
      i32.add
    end)
  ;; A clause is not guarded by its own try.
  (func (export "delegated_from_catch") (param i32) (result i32)
    try (result i32)
      try $inner (result i32)
        i32.const 1
        call $raise
      catch $empty
        try (result i32)
          local.get 0
          call $raise
        delegate $inner
      catch_all
        i32.const -1
      end
    catch $int
      i32.const 800
      i32.add
    end)
  (func (export "loops") (param i32) (result i32) (local $i i32) (local $sum i32)
    loop $next
      try
        local.get $i
        i32.const 2
        i32.add
        call $raise
        drop
      catch $int
        i32.const 2
        i32.sub
        local.get $sum
        i32.add
        local.set $sum
      end
      local.get $i
      i32.const 1
      i32.add
      local.tee $i
      local.get 0
      i32.lt_u
      br_if $next
    end
    local.get $sum)
  (func $throw_wide (param i32)
    (throw $wide (i64.mul (i64.const 100) (i64.extend_i32_u (local.get 0)))
      (f64.add (f64.const 0.5) (f64.convert_i32_u (local.get 0)))))
  (func $wide_cleanup (param i32) (result i64 f64)
    try (result i64 f64)
      local.get 0
      call $throw_wide
      unreachable
    catch_all
      try
        i32.const 11
        call $throw_wide
      catch $wide
        drop
        drop
      end
      rethrow 0
    end)
  (func $wide (export "wide") (param i32) (result i64 f64)
    try (result i64 f64)
      local.get 0
      call $wide_cleanup
    catch $wide
    end)
  (func (export "results") (param i32) (result i32 i64)
    local.get 0
    try (param i32) (result i32 i64)
      call $raise
      i64.const 0
    catch $int
      i64.const 30
    end)
  (func (export "branch_out") (param i32) (result i32)
    block $out (result i32)
      i32.const 5
      try (result i32)
        local.get 0
        call $raise
      catch $int
        drop
        i32.const 11
        br $out
      end
      i32.add
    end)
  (func (export "empty") (param i32) (result i32)
    try (result i32)
      local.get 0
      call $raise
    end)
  (func (export "many") (param i32) (result i64) (local $last i64)
    loop $again
      i32.const 3
      call $wide
      drop
      local.set $last
      local.get 0
      i32.const 1
      i32.sub
      local.tee 0
      br_if $again
    end
    local.get $last))
