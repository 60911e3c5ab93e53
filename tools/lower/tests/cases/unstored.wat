;; An exception that may be thrown again, in a module with a tag whose exceptions would take a record, but none is kept.
;; run again 21 => i32:21
(module
  (memory 1)
  (tag $int (param i32)) (tag $wide (param i64 i32)) (tag $vector (param v128))
  (func (export "again") (param i32) (result i32) (local $reference exnref)
    (block $outer (result i32)
      (try_table (catch $int $outer)
        (block $inner (result i32 exnref)
          (try_table (catch_ref $int $inner) (throw $int (local.get 0)))
          (unreachable))
        (local.set $reference)
        (drop)
        (throw_ref (local.get $reference)))
      (unreachable))))
