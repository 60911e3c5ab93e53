;; Exceptions propagate through frames, however those were called, to the innermost handler of their tag.
;; run direct 0 => i32:1001
;; run direct 42 => i32:5042
;; run direct 1 => i32:-1
;; run direct 0 => i32:1001
;; run inner_first 9 => i32:9
;; run inner_first 0 => i32:1001
;; run inner_first 1 => trap uncaught exception
;; run uncaught 7 => trap uncaught exception
;; run indirect 5 => i32:105
;; run tail 5 => i32:205
;; run tail_leaves_handler 5 => i32:305
;; run by_table 6 => i32:406
;; run recursion 300 => i32:300
;; run started 0 => i32:77
;; run rounds 0 => i32:0
;; run rounds 1 => i32:0
;; run rounds 8 => i32:1
;; run rounds 22 => i32:2
;; run rounds 50 => i32:4
;; run rounds 60 => i32:4
;; run operands 3 => i32:123
;; run parameters 4 => i32:14
;; run parameters 0 => i32:-1
;; run divide 0 => trap integer divide by zero
(module
  (type $ii (func (param i32) (result i32)))
  (tag $empty) (tag $int (param i32)) (tag $other (param i32))
  (global $started (mut i32) (i32.const 0))
  (table funcref (elem $raise $tail_raise))
  (start $start)

  ;; 0 returns, 1 throws nothing with it, and all else throws the number.
  (func $raise (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 1000))))
    (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $empty)))
    (throw $int (local.get 0)))
  (func $deep (param i32) (result i32)
    (i32.add (i32.const 1) (call_indirect (type $ii) (local.get 0) (i32.const 0))))
  (func $tail_raise (param i32) (result i32) (return_call $raise (local.get 0)))

  ;; The start function may throw if it catches.
  (func $start
    (block $caught
      (try_table (catch_all $caught) (drop (call $deep (i32.const 3))))
      (return))
    (global.set $started (i32.const 77)))
  (func (export "started") (param i32) (result i32) (global.get $started))

  (func (export "direct") (param i32) (result i32)
    (block $all
      (block $caught (result i32)
        (return (try_table (result i32) (catch $int $caught) (catch_all $all) (call $deep (local.get 0)))))
      (return (i32.add (i32.const 5000))))
    (i32.const -1))

  (func $inner (param i32) (result i32)
    (block $caught (result i32)
      (return (try_table (result i32) (catch $other $caught) (call $deep (local.get 0))))))
  (func (export "inner_first") (param i32) (result i32)
    (block $caught (result i32)
      (return (try_table (result i32) (catch $int $caught) (call $inner (local.get 0))))))

  (func (export "uncaught") (param i32) (result i32) (call $deep (local.get 0)))

  (func (export "indirect") (param i32) (result i32)
    (block $caught (result i32)
      (return (try_table (result i32) (catch $int $caught)
        (call_indirect (type $ii) (local.get 0) (i32.const 1)))))
    (i32.add (i32.const 100)))

  (func (export "tail") (param i32) (result i32)
    (block $caught (result i32)
      (return (try_table (result i32) (catch $int $caught) (call $tail_raise (local.get 0)))))
    (i32.add (i32.const 200)))

  ;; A tail call leaves the handlers around it.
  (func $guarded_tail (param i32) (result i32)
    (block $caught (result i32)
      (try_table (catch $int $caught) (return_call $raise (local.get 0)))
      (unreachable))
    (drop) (i32.const -5))
  (func (export "tail_leaves_handler") (param i32) (result i32)
    (block $caught (result i32)
      (return (try_table (result i32) (catch $int $caught) (call $guarded_tail (local.get 0)))))
    (i32.add (i32.const 300)))

  (func $tail_by_table (param i32) (result i32)
    (return_call_indirect (type $ii) (local.get 0) (i32.const 0)))
  (func (export "by_table") (param i32) (result i32)
    (block $caught (result i32)
      (return (try_table (result i32) (catch $int $caught) (call $tail_by_table (local.get 0)))))
    (i32.add (i32.const 400)))

  ;; Counts frames on the way out.
  (func $down (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (throw $int (i32.const 0))))
    (block $caught (result i32)
      (return (try_table (result i32) (catch $int $caught) (call $down (i32.sub (local.get 0) (i32.const 1))))))
    (throw $int (i32.add (i32.const 1))))
  (func (export "recursion") (param i32) (result i32)
    (block $caught (result i32)
      (return (try_table (result i32) (catch $int $caught) (call $down (local.get 0))))))

  ;; Counts the rounds in which nothing is thrown; throws in odd ones, leaves by every kind of branch.
  (func (export "rounds") (param i32) (result i32) (local $round i32) (local $good i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $round) (local.get 0)))
        (block $thrown
          (try_table (catch_all $thrown)
            (local.set $round (i32.add (local.get $round) (i32.const 1)))
            (block $inner
              (block $inner_value (result i32)
                (try_table (catch $other $inner_value)
                  (br_table $next $inner $thrown (i32.rem_u (local.get $round) (i32.const 7))))
                (unreachable))
              (drop))
            (drop (call $deep (i32.and (local.get $round) (i32.const 1))))
            (local.set $good (i32.add (local.get $good) (i32.const 1)))
            (br_if $done (i32.eq (local.get $round) (i32.const 50)))
            (br $next)))
        (br $next)))
    (local.get $good))

  ;; Values below a handler on the stack are kept.
  (func (export "operands") (param i32) (result i32)
    (i32.const 100)
    (i32.const 20)
    (block $caught (result i32)
      (i32.const 7)
      (try_table (catch $int $caught) (i32.const 8) (drop (call $deep (local.get 0))) (drop))
      (drop)
      (i32.const -1000))
    (i32.add)
    (i32.add))

  (func (export "parameters") (param i32) (result i32)
    (block $caught (result i32)
      (local.get 0)
      (i32.const 10)
      (try_table (param i32 i32) (result i32) (catch $int $caught)
        (i32.add)
        (if (param i32) (result i32) (local.get 0)
          (then (throw $int))
          (else (drop) (i32.const -1))))))

  (func (export "divide") (param i32) (result i32)
    (block $caught
      (return (try_table (result i32) (catch_all $caught) (i32.div_u (i32.const 1) (local.get 0)))))
    (i32.const -1)))
