;; Requests the attributes of its first preopened directory in an endless loop: the host and the file service are
;; always busy.
(module
  (import "wasi_snapshot_preview1" "path_filestat_get"
    (func $stat (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) ".")
  (func (export "_start")
    (loop $again
      ;; Directory 3, follow nothing, the path "." of one byte, attributes to 64.
      (br_if $again (i32.eqz (call $stat (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 64)))))
    unreachable))
