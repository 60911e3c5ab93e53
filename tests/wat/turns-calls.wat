;; Calls one function of Preview 1 over and over, with its largest or most numerous operands: one export for each.
;; Descriptors 0 and 1 are standard streams; 3 is a directory in which every path opens a file.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_pwrite" (func $fd_pwrite (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_pread" (func $fd_pread (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_readdir" (func $fd_readdir (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_renumber" (func $fd_renumber (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_rename" (func $path_rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_symlink" (func $path_symlink (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  ;; From 0: results. From 4096: a path. From 65536: a list of buffers or subscriptions. From 1 MiB: buffers.
  (memory (export "memory") 320)

  (global $paths i32 (i32.const 4096))
  (global $list i32 (i32.const 65536))
  (global $buffer i32 (i32.const 1048576))
  (global $buffer_length i32 (i32.const 16777216))
  (global $path_length i32 (i32.const 4096))

  (func $check (param $errno i32) (if (local.get $errno) (then unreachable)))

  ;; Writes a list of `count` buffers of `length` bytes each.
  (func $buffers (param $count i32) (param $length i32)
    (local $entry i32)
    (local.set $entry (global.get $list))
    (loop $next
      (i32.store (local.get $entry) (global.get $buffer))
      (i32.store offset=4 (local.get $entry) (local.get $length))
      (local.set $entry (i32.add (local.get $entry) (i32.const 8)))
      (br_if $next (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))

  ;; Writes 1,024 subscriptions of a kind with a descriptor or clock.
  (func $subscriptions (param $kind i32) (param $subject i32)
    (local $entry i32) (local $count i32)
    (local.set $entry (global.get $list))
    (local.set $count (i32.const 1024))
    (loop $next
      (i32.store offset=8 (local.get $entry) (local.get $kind))
      (i32.store offset=16 (local.get $entry) (local.get $subject))
      (local.set $entry (i32.add (local.get $entry) (i32.const 48)))
      (br_if $next (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))

  (func $path (memory.fill (global.get $paths) (i32.const 120) (global.get $path_length)))

  ;; Opens a file and returns its descriptor.
  (func $open (result i32)
    (call $path)
    (call $check (call $path_open (i32.const 3) (i32.const 0) (global.get $paths) (global.get $path_length)
      (i32.const 0) (i64.const 0x1fffffff) (i64.const 0) (i32.const 0) (i32.const 0)))
    (i32.load (i32.const 0)))

  (func $write (param $fd i32) (param $count i32) (param $length i32)
    (call $buffers (local.get $count) (local.get $length))
    (loop $again
      (call $check (call $fd_write (local.get $fd) (global.get $list) (local.get $count) (i32.const 0)))
      (br $again)))
  (func (export "write to a stream") (call $write (i32.const 1) (i32.const 1) (global.get $buffer_length)))
  (func (export "write nothing to a stream") (call $write (i32.const 1) (i32.const 1024) (i32.const 0)))
  (func (export "write pieces to a stream") (call $write (i32.const 1) (i32.const 1024) (i32.const 64)))
  (func (export "write to a file") (call $write (call $open) (i32.const 1) (global.get $buffer_length)))
  (func (export "write pieces to a file") (call $write (call $open) (i32.const 1024) (i32.const 64)))

  (func $read (param $fd i32) (param $count i32) (param $length i32)
    (call $buffers (local.get $count) (local.get $length))
    (loop $again
      (call $check (call $fd_read (local.get $fd) (global.get $list) (local.get $count) (i32.const 0)))
      (br $again)))
  (func (export "read a stream") (call $read (i32.const 0) (i32.const 1) (global.get $buffer_length)))
  (func (export "read a stream in pieces") (call $read (i32.const 0) (i32.const 1024) (i32.const 1)))
  (func (export "read nothing of a stream") (call $read (i32.const 0) (i32.const 1024) (i32.const 0)))

  (func $read_at (param $count i32) (param $length i32)
    (local $fd i32)
    (local.set $fd (call $open))
    (call $buffers (local.get $count) (local.get $length))
    (loop $again
      (call $check
        (call $fd_pread (local.get $fd) (global.get $list) (local.get $count) (i64.const 0) (i32.const 0)))
      (br $again)))
  (func (export "read a file") (call $read_at (i32.const 1) (global.get $buffer_length)))
  (func (export "read a file in pieces") (call $read_at (i32.const 1024) (i32.const 64)))
  (func (export "read nothing of a file") (call $read_at (i32.const 1024) (i32.const 0)))

  (func (export "list a directory")
    (loop $again
      (call $check (call $fd_readdir (i32.const 3) (global.get $buffer) (global.get $buffer_length)
        (i64.const 0) (i32.const 0)))
      (br $again)))

  (func (export "open and close")
    (loop $again
      (call $check (call $fd_close (call $open)))
      (br $again)))
  (func (export "rename")
    (call $path)
    (loop $again
      (drop (call $path_rename (i32.const 3) (global.get $paths) (global.get $path_length)
        (i32.const 3) (global.get $paths) (global.get $path_length)))
      (br $again)))
  (func (export "link")
    (call $path)
    (loop $again
      (drop (call $path_symlink (global.get $paths) (global.get $path_length)
        (i32.const 3) (global.get $paths) (global.get $path_length)))
      (br $again)))

  (func $poll (param $kind i32) (param $subject i32)
    (call $subscriptions (local.get $kind) (local.get $subject))
    (loop $again
      (call $check (call $poll_oneoff (global.get $list) (global.get $buffer) (i32.const 1024) (i32.const 0)))
      (br $again)))
  (func (export "poll clocks") (call $poll (i32.const 0) (i32.const 1)))
  (func (export "poll a stream for reading") (call $poll (i32.const 1) (i32.const 0)))
  (func (export "poll a stream for writing") (call $poll (i32.const 2) (i32.const 1)))
  (func (export "poll a file for reading") (call $poll (i32.const 1) (call $open)))
  (func (export "poll a file for writing") (call $poll (i32.const 2) (call $open)))

  (func (export "get arguments")
    (loop $again
      (call $check (call $args_get (i32.const 65536) (global.get $buffer)))
      (br $again)))
  (func (export "get the environment")
    (loop $again
      (call $check (call $environ_get (i32.const 65536) (global.get $buffer)))
      (br $again)))

  (func (export "close everything")
    (local $fd i32)
    ;; Opens files until there are no more descriptors, then closes them.
    (call $path)
    (loop $again
      (br_if $again (i32.eqz (call $path_open (i32.const 3) (i32.const 0) (global.get $paths) (i32.const 1)
        (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 0))))
      (local.set $fd (i32.const 4))
      (loop $next
        (drop (call $fd_close (local.get $fd)))
        (br_if $next (i32.lt_u (local.tee $fd (i32.add (local.get $fd) (i32.const 1))) (i32.const 1024))))
      (br $again)))
  (func (export "renumber")
    (local $fd i32)
    (local.set $fd (call $open))
    (loop $again
      (call $check (call $fd_renumber (local.get $fd) (local.get $fd)))
      (br $again))))
