//! Thousands of operations: each step visits few, and the total is proportional to their number.

use super::*;

/// Number of calls of each of the client's threads, the maximum.
const CALLS_PER_THREAD: u32 = 64;
/// The most record lookups that a step may need for each record that it counts.
const LOOKS_PER_RECORD: u64 = 80;

impl Ipc {
    fn looks(&self) -> u64 {
        self.caps.looks() + self.endpoints.looks() + self.operations.looks() + self.queues.looks()
    }
}

/// Submits until the submission is processed. Returns how often; no attempt may take too long.
fn submit_again(world: &mut TestMachine, thread: u32, entry: &SubmissionEntry) -> u32 {
    for times in 1.. {
        let (submitter, start) = (world.ipc.submitter(thread).unwrap(), world.ipc.looks());
        let submitted = world.ipc.submit(&mut world.fake, submitter, entry);
        assert!(world.ipc.looks() - start < 1000);
        if !matches!(submitted, Submitted::Again) {
            return times;
        }
    }
    0
}

#[test]
fn calls_that_cannot_be_delivered_fail_a_few_at_a_time() {
    let mut world = many_callers_of(20, BAD);
    let receive = SubmissionEntry { cap: world.server.0, user_data: 7, ..RECV };
    assert!(submit_again(&mut world, 0, &receive) > 20 * CALLS_PER_THREAD / 100);
    all_failed(&world, 20, ErrorCode::BadAddress);
    assert!(world.take(0).is_empty(), "it waits");
}

#[test]
fn receivers_that_can_take_nothing_fail_a_few_at_a_time() {
    let mut world = many_callers_of(0, 0);
    for thread in 1..=20 {
        world.ipc.open_thread(thread, 0, 8).unwrap();
        for user_data in 0..u64::from(CALLS_PER_THREAD) {
            world.submit(
                thread,
                SubmissionEntry { cap: world.server.0, user_data, recv_address: BAD, ..RECV },
            );
        }
    }
    world.ipc.open_thread(21, 0, 8).unwrap();
    let mint = capos_abi::SubmissionFlags::MINT.bits();
    let client = SubmissionEntry {
        opcode: Opcode::Derive as u8,
        flags: mint,
        badge: 5,
        rights: u32::MAX,
        ..SubmissionEntry::NOP
    };
    world.submit(21, SubmissionEntry { cap: world.server.0, ..client });
    let client = world.only(21).token;
    assert!(submit_again(&mut world, 21, &SubmissionEntry { cap: client, user_data: 7, ..CALL }) > 10);
    all_failed_but(&world, 20, ErrorCode::BadAddress, 21);
}

/// Process 1 has `threads` threads (numbered from 1), whose calls wait at an endpoint of process 0; each thread has
/// its own capability.
fn many_callers(threads: u32) -> TestMachine {
    many_callers_of(threads, CALL.send_address)
}

/// As [`many_callers`], with messages at `send_address`.
fn many_callers_of(threads: u32, send_address: u64) -> TestMachine {
    let mut ipc = Ipc::new();
    ipc.open_process(0, 10 + threads).unwrap();
    ipc.open_process(1, 10 + threads).unwrap();
    ipc.open_thread(0, 0, 8).unwrap();
    let server = ipc.create_endpoint(0).unwrap();
    let mut world = TestMachine { ipc, fake: Fake::default(), server, clients: Vec::new() };
    for thread in 1..=threads {
        world.ipc.open_thread(thread, 1, 8).unwrap();
        let mode = capos_abi::TransferMode::Mint as u32;
        let list = [CapDescriptor { handle: server.0, badge: thread.into(), rights: u32::MAX, mode }];
        let mut handles = [0];
        world.ipc.caps.begin_transfer(0, 1, &list, &mut handles).unwrap();
        world.ipc.caps.commit_transfer(0, 1, &list, &handles);
        for user_data in 0..u64::from(CALLS_PER_THREAD) {
            let submitter = world.ipc.submitter(thread).unwrap();
            let entry = SubmissionEntry { cap: handles[0], user_data, send_address, ..CALL };
            let _ = world.ipc.submit(&mut world.fake, submitter, &entry);
        }
    }
    world
}

/// Runs `step` until it reports that nothing is left. Returns the total number of record lookups and checks the limit for
/// each step.
fn looks(world: &mut TestMachine, mut step: impl FnMut(&mut TestMachine, &mut Work) -> bool) -> u64 {
    let before = world.ipc.looks();
    loop {
        let (mut work, start) = (Work::step(), world.ipc.looks());
        let more = step(world, &mut work);
        // One thread's operations fail together.
        assert!(work.spent() <= Work::STEP + CALLS_PER_THREAD);
        assert!(world.ipc.looks() - start <= u64::from(work.spent()) * LOOKS_PER_RECORD + 100);
        if !more {
            return world.ipc.looks() - before;
        }
    }
}

/// Checks that every call has failed once with `code`.
fn all_failed(world: &TestMachine, threads: u32, code: ErrorCode) {
    all_failed_but(world, threads, code, 0);
}

/// As [`all_failed`], except for the completions of one thread.
fn all_failed_but(world: &TestMachine, threads: u32, code: ErrorCode, except: u32) {
    let mut heard = HashSet::new();
    for (thread, entry) in world.fake.completions.iter().filter(|(thread, _)| *thread != except) {
        assert_eq!(status(entry), Some(code));
        assert!(heard.insert((*thread, entry.user_data)), "each hears of it once");
    }
    assert_eq!(heard.len() as u32, threads * CALLS_PER_THREAD);
    world.ipc.check().unwrap();
}

fn doubles(work: impl Fn(u32) -> u64) {
    let (small, large) = (work(50), work(100));
    assert!(large <= small * 2 + small / 8, "{small} became {large}");
}

#[test]
fn callers_of_an_endpoint_without_a_server_fail_in_linear_work() {
    doubles(|threads| {
        let mut world = many_callers(threads);
        let server = world.server;
        world.ipc.release(&mut world.fake, 0, server).unwrap();
        assert!(world.fake.completions.is_empty(), "that is left to steps");
        let looks = looks(&mut world, |world, work| world.ipc.work_step(&mut world.fake, work));
        all_failed(&world, threads, ErrorCode::Disconnected);
        looks
    });
}

#[test]
fn revocation_fails_the_calls_of_many_threads_in_linear_work() {
    doubles(|threads| {
        let mut world = many_callers(threads);
        let submitter = world.ipc.submitter(0).unwrap();
        let entry =
            SubmissionEntry { opcode: Opcode::Revoke as u8, cap: world.server.0, ..SubmissionEntry::NOP };
        let submitted = world.ipc.submit(&mut world.fake, submitter, &entry);
        assert!(matches!(submitted, Submitted::Working));
        let looks = looks(&mut world, |world, work| world.ipc.thread_step(&mut world.fake, 0, work));
        all_failed(&world, threads, ErrorCode::Revoked);
        assert_eq!(world.only(0).status, 0);
        looks
    });
}

#[test]
fn a_server_with_many_open_calls_ends_in_linear_work() {
    doubles(|threads| {
        let mut world = many_callers(threads);
        for _ in 0..threads * CALLS_PER_THREAD {
            let submitter = world.ipc.submitter(0).unwrap();
            let _ = world.ipc.submit(
                &mut world.fake,
                submitter,
                &SubmissionEntry { cap: world.server.0, ..RECV },
            );
        }
        world.fake.completions.clear();
        world.ipc.close_thread(&mut world.fake, 0);
        let looks = looks(&mut world, |world, work| world.ipc.close_process_step(&mut world.fake, 0, work));
        assert!(!world.ipc.has_work());
        all_failed(&world, threads, ErrorCode::Disconnected);
        looks
    });
}

#[test]
fn what_a_thread_was_revoking_is_revoked_also_when_it_ends() {
    let mut world = many_callers(3);
    let submitter = world.ipc.submitter(0).unwrap();
    let entry = SubmissionEntry { opcode: Opcode::Revoke as u8, cap: world.server.0, ..SubmissionEntry::NOP };
    let _ = world.ipc.submit(&mut world.fake, submitter, &entry);
    assert!(world.ipc.thread_step(&mut world.fake, 0, &mut Work::of(1)) && world.ipc.is_working(0));
    world.ipc.close_thread(&mut world.fake, 0);
    world.ipc.check().unwrap();
    world.ipc.finish_work(&mut world.fake);
    all_failed(&world, 3, ErrorCode::Revoked);
    assert!(world.take(0).is_empty());
}
