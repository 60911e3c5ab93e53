//! Instances connected by pipes.

use crate::support::{World, console, e, errno, spec, with_imports};
use capos_wasm::{
    End, Grants, InstanceHandle, InstanceSpec, Options, PipeReader, PipeWriter, Restart, Sink, Source, pipe,
};
use std::rc::Rc;

/// Writes 1000 bytes `count` times, or fails with the errno as its status.
fn writer(count: u32) -> String {
    with_imports(&format!(
        r#"(data (i32.const 0) "\00\10\00\00\e8\03\00\00")
        (func (export "_start") (local $left i32) (local $errno i32)
            (memory.fill (i32.const 4096) (i32.const 120) (i32.const 1000))
            (local.set $left (i32.const {count}))
            (loop $next
                (local.set $errno (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
                (if (local.get $errno) (then (call $proc_exit (local.get $errno))))
                ;; Less only when the reader has gone in the middle of it.
                (br_if $next (i32.ne (i32.load (i32.const 32)) (i32.const 1000)))
                (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))"#
    ))
}

/// Reads until the end and exits with the number of thousands of bytes.
fn reader() -> String {
    with_imports(
        r#"(data (i32.const 0) "\00\10\00\00\00\20\00\00")
        (func (export "_start") (local $total i32)
            (loop $next
                (if (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 32))
                    (then (call $proc_exit (i32.const 99))))
                (local.set $total (i32.add (local.get $total) (i32.load (i32.const 32))))
                (br_if $next (i32.load (i32.const 32))))
            (call $proc_exit (i32.div_u (local.get $total) (i32.const 1000))))"#,
    )
}

fn reads(reader: PipeReader) -> Grants {
    Grants { stdin: Some(Source::Pipe(reader)), ..Grants::default() }
}

fn writes(writer: PipeWriter) -> Grants {
    Grants { stdout: Some(Sink::Pipe(writer)), ..Grants::default() }
}

fn pair(world: &World, count: u32) -> (InstanceHandle, InstanceHandle) {
    let (input, output) = pipe();
    let writer = world.host.start(spec(&writer(count), writes(output)));
    (writer, world.host.start(spec(&reader(), reads(input))))
}

#[test]
fn everything_arrives_and_then_the_end() {
    let mut world = World::new();
    let (writer, reader) = pair(&world, 90);
    assert_eq!(world.wait(&reader), End::Exited(90));
    assert_eq!(world.wait(&writer), End::Exited(0));
}

#[test]
fn a_writer_waits_for_its_reader() {
    let mut world = World::new();
    let (input, output) = pipe();
    let writer = world.host.start(spec(&writer(90), writes(output)));
    world.turns(100);
    assert_eq!(writer.end(), None, "90,000 bytes are more than a pipe holds");
    assert!(writer.usage().output_bytes <= 66_000, "{:?}", writer.usage());
    let reader = world.host.start(spec(&reader(), reads(input)));
    assert_eq!(world.wait(&writer), End::Exited(0));
    assert_eq!(world.wait(&reader), End::Exited(90));
}

#[test]
fn what_finds_no_room_is_no_output() {
    let mut world = World::new();
    let (input, output) = pipe();
    // Non-blocking, tries a thousand times.
    let program = with_imports(
        r#"(data (i32.const 0) "\00\10\00\00\e8\03\00\00")
        (func (export "_start") (local $left i32)
            (drop (call $fd_fdstat_set_flags (i32.const 1) (i32.const 4)))
            (local.set $left (i32.const 1000))
            (loop $next
                (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
                (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))"#,
    );
    let mut spec = spec(&program, writes(output));
    spec.limits.output_bytes = 70_000;
    let handle = world.host.start(spec);
    assert_eq!(world.wait(&handle), End::Exited(0));
    assert_eq!(handle.usage().output_bytes, 65_536, "what the pipe holds");
    drop(input);
}

#[test]
fn writing_to_nobody_is_epipe_also_while_it_waits() {
    let mut world = World::new();
    let (input, output) = pipe();
    drop(input);
    let handle = world.host.start(spec(&writer(1), writes(output)));
    assert_eq!(world.wait(&handle), errno(e::PIPE));
    let (input, output) = pipe();
    let handle = world.host.start(spec(&writer(90), writes(output)));
    world.turns(100);
    assert_eq!(handle.end(), None);
    drop(input);
    assert_eq!(world.wait(&handle), errno(e::PIPE));
}

#[test]
fn a_killed_reader_is_missed_and_a_killed_writer_is_the_end_of_input() {
    let mut world = World::new();
    let (writer, reader) = pair(&world, 1_000_000);
    world.turns(200);
    reader.kill();
    assert_eq!(world.wait(&writer), errno(e::PIPE));
    assert_eq!(world.wait(&reader), End::Killed);
    let (writer, reader) = pair(&world, 1_000_000);
    writer.kill();
    assert_eq!(world.wait(&reader), End::Exited(0));
}

#[test]
fn input_goes_on_until_the_last_writer_has_ended() {
    let mut world = World::new();
    let (input, output) = pipe();
    for _ in 0..3 {
        world.host.start(spec(&writer(10), writes(output.clone())));
    }
    drop(output);
    let reader = world.host.start(spec(&reader(), reads(input)));
    assert_eq!(world.wait(&reader), End::Exited(30));
}

#[test]
fn a_writer_that_is_started_again_keeps_its_end() {
    let mut world = World::new();
    let (input, output) = pipe();
    let program = with_imports(
        r#"(data (i32.const 0) "\00\10\00\00\e8\03\00\00")
        (func (export "_start")
            (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
            unreachable)"#,
    );
    let options = Options { restart: Restart::OnFailure(4), ..Options::default() };
    let writer = world.host.start(InstanceSpec { options, ..spec(&program, writes(output)) });
    let reader = world.host.start(spec(&reader(), reads(input)));
    assert_eq!(world.wait(&reader), End::Exited(5));
    assert!(matches!(world.wait(&writer), End::Trap(_)));
    assert_eq!(writer.restarts(), 4);
}

#[test]
fn a_thousand_instances_pass_a_byte_along() {
    let program = with_imports(
        r#"(data (i32.const 0) "\40\00\00\00\01\00\00\00")
        (func (export "_start")
            (if (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 32))
                (then (call $proc_exit (i32.const 1))))
            (i32.store8 (i32.const 64) (i32.add (i32.load8_u (i32.const 64)) (i32.load (i32.const 32))))
            (call $proc_exit
                (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32))))"#,
    );
    let mut world = World::new();
    let module: Rc<[u8]> = wat::parse_str(&program).expect("text").into();
    let mut handles = Vec::new();
    let (mut input, first) = pipe();
    for index in 0..1000 {
        let (next, output) = pipe();
        let stdout = if index == 999 { console(&world.console).into() } else { Sink::Pipe(output) };
        let grants = Grants { stdin: Some(Source::Pipe(input)), stdout: Some(stdout), ..Grants::default() };
        let module = module.to_vec().into();
        handles.push(world.host.start(InstanceSpec { module, ..spec("(module)", grants) }));
        input = next;
    }
    world.turns(50);
    assert!(handles.iter().all(|handle| handle.end().is_none()), "all wait");
    // An additional one writes the first byte.
    let grants = Grants { stdin: Some(console(&world.console).into()), ..writes(first) };
    world.console.give(b"\x01");
    let starter =
        world.host.start(InstanceSpec { module: module.to_vec().into(), ..spec("(module)", grants) });
    for handle in handles.iter().chain([&starter]) {
        assert_eq!(world.wait(handle), End::Exited(0));
    }
    // Each of 1001 instances added one, starting with 1.
    assert_eq!(world.console.bytes(), [(1u32 + 1001).to_le_bytes()[0]]);
}
