//! The standard streams.

use crate::support::{World, call_program, console, e, errno, spec, with_imports};
use capos_wasm::{End, Grants, Sink, Source};

const GREETING: &str = r#"
    (data (i32.const 64) "hello, world")
    (data (i32.const 0) "\40\00\00\00\07\00\00\00\00\00\00\00\00\00\00\00\47\00\00\00\05\00\00\00")"#;

#[test]
fn all_buffers_are_written_in_order_by_one_call() {
    let mut world = World::new();
    let program = with_imports(&format!(
        r#"{GREETING} (func (export "_start")
            (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 3) (i32.const 32)))
            (call $proc_exit (i32.load (i32.const 32))))"#
    ));
    assert_eq!(world.run(world.program(&program)), End::Exited(12));
    assert_eq!(world.output(), "hello, world");
    assert_eq!(world.console.writes.get(), 1);
}

#[test]
fn a_long_write_is_partial() {
    let mut world = World::new();
    let program = with_imports(
        r#"(data (i32.const 0) "\40\00\00\00\00\c0\00\00")
        (func (export "_start")
            (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
            (call $proc_exit (i32.load (i32.const 32))))"#,
    );
    assert_eq!(world.run(world.program(&program)), End::Exited(32768));
    assert_eq!(world.output().len(), 32768);
}

#[test]
fn descriptors_that_were_not_granted_are_ebadf() {
    let mut world = World::new();
    let calls = [
        "(call $fd_write (i32.const FD) (i32.const 0) (i32.const 0) (i32.const 32))",
        "(call $fd_read (i32.const FD) (i32.const 0) (i32.const 0) (i32.const 32))",
        "(call $fd_close (i32.const FD))",
        "(call $fd_seek (i32.const FD) (i64.const 0) (i32.const 0) (i32.const 32))",
        "(call $fd_fdstat_get (i32.const FD) (i32.const 32))",
        "(call $fd_fdstat_set_flags (i32.const FD) (i32.const 0))",
        "(call $fd_prestat_get (i32.const FD) (i32.const 32))",
    ];
    for call in calls {
        for fd in ["0", "1", "2", "3", "-1"] {
            let program = call_program("", &call.replace("FD", fd));
            assert_eq!(world.run(spec(&program, Grants::default())), errno(e::BADF), "{call} {fd}");
        }
    }
}

#[test]
fn streams_go_one_way() {
    let mut world = World::new();
    let write = "(call $fd_write (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 32))";
    assert_eq!(world.run(world.program(&call_program("", write))), errno(e::BADF));
    let read = "(call $fd_read (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 32))";
    assert_eq!(world.run(world.program(&call_program("", read))), errno(e::BADF));
}

#[test]
fn a_closed_descriptor_is_gone() {
    let mut world = World::new();
    let call = "(i32.add (call $fd_close (i32.const 1)) (call $fd_close (i32.const 1)))";
    assert_eq!(world.run(world.program(&call_program("", call))), errno(e::BADF));
}

#[test]
fn seeking_is_espipe() {
    let mut world = World::new();
    for (whence, number) in [(0, e::SPIPE), (1, e::SPIPE), (2, e::SPIPE), (3, e::INVAL)] {
        let call = format!("(call $fd_seek (i32.const 1) (i64.const 0) (i32.const {whence}) (i32.const 32))");
        assert_eq!(world.run(world.program(&call_program("", &call))), errno(number));
    }
}

#[test]
fn a_stream_looks_like_a_terminal() {
    let mut world = World::new();
    for (fd, rights) in [(0, 1 << 1 | 1 << 3 | 1 << 27), (1, 1 << 6 | 1 << 3 | 1 << 27)] {
        let program = with_imports(&format!(
            r#"(func (export "_start")
                (drop (call $fd_fdstat_set_flags (i32.const {fd}) (i32.const 5)))
                (drop (call $fd_fdstat_get (i32.const {fd}) (i32.const 64)))
                (call $proc_exit (i32.or (i32.or
                    (i32.ne (i32.load8_u (i32.const 64)) (i32.const 2))
                    (i32.ne (i32.load16_u (i32.const 66)) (i32.const 5)))
                    (i64.ne (i64.load (i32.const 72)) (i64.const {rights})))))"#
        ));
        assert_eq!(world.run(world.program(&program)), End::Exited(0), "descriptor {fd}");
    }
}

#[test]
fn a_console_may_be_given_as_no_terminal() {
    let mut world = World::new();
    let program = |fd: u32| {
        with_imports(&format!(
            r#"(func (export "_start")
                (drop (call $fd_fdstat_get (i32.const {fd}) (i32.const 64)))
                (drop (call $fd_write (i32.const {fd}) (i32.const 0) (i32.const 0) (i32.const 32)))
                (call $proc_exit (i32.load8_u (i32.const 64))))"#
        ))
    };
    let stream = console(&world.console);
    let grants = Grants {
        stdin: Some(Source::Stream(stream.clone())),
        stdout: Some(Sink::Stream(stream.clone())),
        stderr: Some(Sink::Console(stream)),
        ..Grants::default()
    };
    for (fd, file_type) in [(0, 0), (1, 0), (2, 2)] {
        assert_eq!(world.run(spec(&program(fd), grants.clone())), End::Exited(file_type), "descriptor {fd}");
    }
}

#[test]
fn flags_that_mean_nothing_are_refused() {
    let mut world = World::new();
    for (flags, number) in [(0, 0), (5, 0), (2, e::NOTSUP), (8, e::NOTSUP), (16, e::NOTSUP), (32, e::INVAL)] {
        let call = format!("(call $fd_fdstat_set_flags (i32.const 0) (i32.const {flags}))");
        assert_eq!(world.run(world.program(&call_program("", &call))), errno(number), "flags {flags}");
    }
}

/// Reads into two buffers of 4 bytes and copies the data to standard output, until the end of input.
const CAT: &str = r#"
    (data (i32.const 0) "\40\00\00\00\04\00\00\00\60\00\00\00\04\00\00\00")
    (func (export "_start")
        (loop $next
            (if (call $fd_read (i32.const 0) (i32.const 0) (i32.const 2) (i32.const 32))
                (then (call $proc_exit (i32.const 1))))
            (if (i32.eqz (i32.load (i32.const 32))) (then (call $proc_exit (i32.const 0))))
            (i64.store (i32.const 128) (i64.load (i32.const 64)))
            (i32.store (i32.const 132) (i32.load (i32.const 96)))
            (i32.store (i32.const 16) (i32.const 128))
            (i32.store (i32.const 20) (i32.load (i32.const 32)))
            (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 40)))
            (br $next)))"#;

#[test]
fn input_arrives_whole_and_ends() {
    let mut world = World::new();
    let handle = world.host.start(world.program(&with_imports(CAT)));
    world.turns(20);
    assert_eq!(handle.end(), None, "it waits for input");
    world.console.give(b"one line\n");
    world.turns(20);
    assert_eq!(world.output(), "one line\n");
    world.console.give(b"and another\n");
    world.console.end_input();
    assert_eq!(world.wait(&handle), End::Exited(0));
    assert_eq!(world.output(), "one line\nand another\n");
}

#[test]
fn nonblocking_input_is_eagain() {
    let mut world = World::new();
    let items = r#"(data (i32.const 0) "\40\00\00\00\04\00\00\00")"#;
    let call = "(block (result i32)
        (drop (call $fd_fdstat_set_flags (i32.const 0) (i32.const 4)))
        (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 32)))";
    assert_eq!(world.run(world.program(&call_program(items, call))), errno(e::AGAIN));
}

#[test]
fn a_failing_console_is_an_errno() {
    use capnp::ErrorKind::{Disconnected, Failed, Overloaded};
    for (kind, number) in [(Disconnected, e::PIPE), (Failed, e::IO), (Overloaded, e::AGAIN)] {
        let mut world = World::new();
        world.console.broken.replace(Some(kind));
        let write = "(call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32))";
        assert_eq!(world.run(world.program(&call_program(GREETING, write))), errno(number));
        let read = "(call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 32))";
        assert_eq!(world.run(world.program(&call_program(GREETING, read))), errno(number));
    }
}

#[test]
fn each_stream_has_its_own_console() {
    let mut world = World::new();
    let other = std::rc::Rc::default();
    let grants = Grants {
        stdout: Some(console(&world.console).into()),
        stderr: Some(console(&other).into()),
        ..Grants::default()
    };
    let program = with_imports(&format!(
        r#"{GREETING} (func (export "_start")
            (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
            (drop (call $fd_write (i32.const 2) (i32.const 16) (i32.const 1) (i32.const 32))))"#
    ));
    assert_eq!(world.run(spec(&program, grants)), End::Exited(0));
    assert_eq!((&world.output()[..], &other.output()[..]), ("hello, ", "world"));
}
