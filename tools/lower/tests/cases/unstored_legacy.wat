;; The same in the older form.
;; run again 21 => i32:21
(module
  (tag $int (param i32)) (tag $wide (param f64 i32))
  (func (export "again") (param i32) (result i32)
    try (result i32)
      try (result i32)
        local.get 0
        throw $int
      catch $int
        drop
        rethrow 0
      end
    catch $int
    end))
