;; Changes its table, so its instances cannot move to another engine.
(module
  (table 1 funcref)
  (func $change (export "change") (result i32)
    (table.set (i32.const 0) (ref.func $change))
    (i32.const 1)))
