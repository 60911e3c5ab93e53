//! `poll_oneoff` and `sched_yield`: real waiting.

use crate::support::{EPOCH_SECONDS, World, call_program, console, e, errno, spec, timer, with_imports};
use capos_wasm::{End, Grants};
use std::fmt::Write;

const MS: u64 = 1_000_000;

/// A subscription in its memory format.
fn clock(userdata: u64, id: u32, timeout: u64, flags: u16) -> Vec<u8> {
    let mut bytes = subscription(userdata, 0);
    bytes[16..20].copy_from_slice(&id.to_le_bytes());
    bytes[24..32].copy_from_slice(&timeout.to_le_bytes());
    bytes[40..42].copy_from_slice(&flags.to_le_bytes());
    bytes
}

fn stream(userdata: u64, tag: u8, fd: u32) -> Vec<u8> {
    let mut bytes = subscription(userdata, tag);
    bytes[16..20].copy_from_slice(&fd.to_le_bytes());
    bytes
}

fn subscription(userdata: u64, tag: u8) -> Vec<u8> {
    let mut bytes = vec![0; 48];
    bytes[..8].copy_from_slice(&userdata.to_le_bytes());
    bytes[8] = tag;
    bytes
}

/// Polls once with these subscriptions, then writes the events to standard error and exits with their number,
/// or with 100 plus the errno.
fn poll(subscriptions: &[Vec<u8>]) -> String {
    let mut data = String::new();
    for byte in subscriptions.concat() {
        write!(data, "\\{byte:02x}").expect("a string takes everything");
    }
    let count = subscriptions.len();
    with_imports(&format!(
        r#"(data (i32.const 4096) "{data}")
        (func (export "_start") (local $errno i32)
            (local.set $errno
                (call $poll_oneoff (i32.const 4096) (i32.const 1024) (i32.const {count}) (i32.const 0)))
            (if (local.get $errno) (then (call $proc_exit (i32.add (local.get $errno) (i32.const 100)))))
            (i32.store (i32.const 16) (i32.const 1024))
            (i32.store (i32.const 20) (i32.mul (i32.load (i32.const 0)) (i32.const 32)))
            (drop (call $fd_write (i32.const 2) (i32.const 16) (i32.const 1) (i32.const 8)))
            (call $proc_exit (i32.load (i32.const 0))))"#
    ))
}

/// An event as the guest sees it: userdata, errno, type, bytes.
type Event = (u64, u16, u8, u64);

/// Runs a poll with standard input from the world's console and collects the events.
fn events(world: &mut World, grants: Grants, subscriptions: &[Vec<u8>]) -> Vec<Event> {
    let collected = std::rc::Rc::default();
    let grants = Grants { stderr: Some(console(&collected).into()), ..grants };
    let end = world.run(spec(&poll(subscriptions), grants));
    let bytes = collected.bytes();
    assert_eq!(end, End::Exited((bytes.len() / 32) as i32));
    let event = |event: &[u8]| {
        let u64_at = |at: usize| u64::from_le_bytes(event[at..at + 8].try_into().expect("eight"));
        (u64_at(0), u16::from_le_bytes([event[8], event[9]]), event[10], u64_at(16))
    };
    bytes.chunks(32).map(event).collect()
}

fn elapsed(world: &mut World, subscriptions: &[Vec<u8>]) -> (Vec<Event>, u64) {
    let before = world.clock.now_ns();
    let grants = world.all_grants();
    let events = events(world, grants, subscriptions);
    (events, world.clock.now_ns() - before)
}

#[test]
fn a_relative_clock_waits() {
    for id in [0, 1] {
        let mut world = World::new();
        let (events, waited) = elapsed(&mut world, &[clock(7, id, 50 * MS, 0)]);
        assert_eq!(events, [(7, 0, 0, 0)]);
        assert!((50 * MS..51 * MS).contains(&waited), "{waited}");
    }
}

#[test]
fn an_absolute_clock_waits_until_then() {
    let mut world = World::new();
    let at = world.clock.now_ns() + 30 * MS;
    let (events, waited) = elapsed(&mut world, &[clock(7, 1, at, 1)]);
    assert_eq!(events, [(7, 0, 0, 0)]);
    assert!((30 * MS..31 * MS).contains(&waited), "{waited}");
    let at = EPOCH_SECONDS * 1_000 * MS + world.clock.now_ns() + 30 * MS;
    let (events, waited) = elapsed(&mut world, &[clock(8, 0, at, 1)]);
    assert_eq!(events, [(8, 0, 0, 0)]);
    assert!((30 * MS..31 * MS).contains(&waited), "{waited}");
}

#[test]
fn a_time_that_has_passed_does_not_wait() {
    let mut world = World::new();
    let (events, waited) = elapsed(&mut world, &[clock(1, 1, 0, 1), clock(2, 0, 0, 1), clock(3, 1, 0, 0)]);
    assert_eq!(events.iter().map(|event| event.1).collect::<Vec<_>>(), vec![0; events.len()]);
    assert!(!events.is_empty() && waited < MS, "{events:?} after {waited}");
}

#[test]
fn the_earliest_of_several_clocks_fires_and_those_of_the_same_time() {
    let mut world = World::new();
    let list =
        [clock(1, 1, u64::MAX, 0), clock(2, 1, 20 * MS, 1), clock(3, 1, 40 * MS, 1), clock(4, 1, 20 * MS, 1)];
    let (events, _) = elapsed(&mut world, &list);
    assert_eq!(events, [(2, 0, 0, 0), (4, 0, 0, 0)]);
}

#[test]
fn durations_begin_together() {
    let mut world = World::new();
    let list: Vec<_> = (0..100).map(|number| clock(number, (number % 2) as u32, 5 * MS, 0)).collect();
    let (events, _) = elapsed(&mut world, &list);
    assert_eq!(events.len(), 100, "equal timeouts fire together");
}

#[test]
fn clocks_need_their_capabilities() {
    let mut world = World::new();
    let list = [clock(1, 1, MS, 0), clock(2, 0, MS, 0)];
    let nosys = e::NOSYS as u16;
    assert_eq!(events(&mut world, Grants::default(), &list), [(1, nosys, 0, 0), (2, nosys, 0, 0)]);
    // A relative timeout does not depend on the time of day.
    let grants = Grants { timer: Some(timer(&world.clock)), ..Grants::default() };
    assert_eq!(events(&mut world, grants.clone(), &[clock(2, 0, MS, 0)]), [(2, 0, 0, 0)]);
    assert_eq!(events(&mut world, grants, &[clock(2, 0, MS, 1)]), [(2, nosys, 0, 0)]);
}

#[test]
fn input_wakes_a_reader_and_is_not_lost_to_a_clock() {
    let mut world = World::new();
    // The clock fires while a read of the console is in progress.
    let grants = world.all_grants();
    let fired = events(&mut world, grants, &[clock(1, 1, MS, 0), stream(2, 1, 0)]);
    assert_eq!(fired, [(1, 0, 0, 0)]);
    // Available bytes fire at once, with their number.
    world.console.give(b"four");
    let grants = world.all_grants();
    let fired = events(&mut world, grants, &[clock(1, 1, u64::MAX, 0), stream(2, 1, 0)]);
    assert_eq!(fired, [(2, 0, 1, 4)]);
}

#[test]
fn bytes_that_arrive_after_the_clock_are_still_read() {
    let mut world = World::new();
    let mut data = String::new();
    for byte in [clock(1, 1, MS, 0), stream(2, 1, 0)].concat() {
        write!(data, "\\{byte:02x}").expect("a string takes everything");
    }
    // Polls, which leaves a read in progress, then reads four bytes and echoes them.
    let program = with_imports(&format!(
        r#"(data (i32.const 4096) "{data}") (data (i32.const 16) "\40\00\00\00\04\00\00\00")
        (func (export "_start")
            (drop (call $poll_oneoff (i32.const 4096) (i32.const 1024) (i32.const 2) (i32.const 0)))
            (drop (call $fd_read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 0)))
            (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 0))))"#
    ));
    let handle = world.host.start(world.program(&program));
    world.turns(10);
    world.clock.advance(2 * MS);
    world.turns(10);
    world.console.give(b"data");
    assert_eq!(world.wait(&handle), End::Exited(0));
    assert_eq!(world.output(), "data");
}

#[test]
fn the_end_of_input_wakes_a_reader() {
    let mut world = World::new();
    world.console.end_input();
    let grants = world.all_grants();
    assert_eq!(events(&mut world, grants, &[stream(2, 1, 0)]), [(2, 0, 1, 0)]);
}

#[test]
fn output_is_always_ready() {
    let mut world = World::new();
    let grants = world.all_grants();
    let fired = events(&mut world, grants, &[stream(1, 2, 1), clock(2, 1, u64::MAX, 0)]);
    assert_eq!(fired, [(1, 0, 2, 32768)]);
}

#[test]
fn descriptors_that_cannot_be_waited_for_fail_the_call() {
    let mut world = World::new();
    for wrong in [stream(1, 1, 1), stream(2, 2, 0), stream(3, 2, 9), stream(4, 1, u32::MAX)] {
        let program = poll(&[clock(1, 1, MS, 0), wrong]);
        assert_eq!(world.run(world.program(&program)), End::Exited(100 + e::BADF));
    }
    for closed in [stream(1, 1, 0), stream(2, 2, 1)] {
        assert_eq!(world.run(spec(&poll(&[closed]), Grants::default())), End::Exited(100 + e::BADF));
    }
}

#[test]
fn yielding_lets_others_run() {
    let mut world = World::new();
    assert_eq!(world.run(world.program(&call_program("", "(call $sched_yield)"))), errno(0));
    // Each yield ends its turn, or the second half of one.
    let program = with_imports(
        r#"(func (export "_start") (local $left i32)
            (local.set $left (i32.const 1000))
            (loop $next
                (drop (call $sched_yield))
                (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))"#,
    );
    let handle = world.host.start(world.program(&program));
    world.turns(200);
    assert_eq!(handle.end(), None);
    assert_eq!(world.wait(&handle), End::Exited(0));
}
