;; The same with a tag whose exceptions would take space in a table.
;; run again 21 => i32:21
(module
  (tag $int (param i32)) (tag $foreign (param externref i32))
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
