;; Prints one line on the granted console, with one call of WASI and no library.
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  ;; An iovec, which is where the text is and how many bytes it has; then the text.
  (data (i32.const 0) "\08\00\00\00\19\00\00\00" "Hello from WASI on capOS\n")
  (func (export "_start")
    ;; Descriptor 1 is standard output; the number of bytes written goes to address 36.
    (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 36))
      (then (call $proc_exit (i32.const 1))))))
