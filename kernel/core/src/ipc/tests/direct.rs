//! Compares the fast path with the general one: two worlds get the same entries, one of them tries the fast path
//! first, and the completions must be equal.

use super::*;
use crate::{
    ipc::{Direct, Party},
    ring::plain,
};

#[derive(Clone, Debug)]
enum Step {
    Call {
        client: u32,
        change: Change,
    },
    Receive,
    /// RETURN and RECV together.
    Answer {
        which: usize,
        change: Change,
        next: Change,
        last: bool,
    },
    Return {
        which: usize,
    },
    Cancel {
        thread: u32,
        user_data: u64,
    },
    Expire {
        now: u64,
    },
    Release {
        client: u32,
    },
    Revoke,
    Close,
}

/// The unusual property of an entry.
#[derive(Clone, Copy, Debug)]
enum Change {
    Nothing,
    Length(u32),
    Room(u32),
    Address(u64),
    Into(u64),
    Caps(u32),
    Deadline(u64),
    Loud,
    Reserved,
    Cap(u64),
    /// The target is a kernel object.
    Object,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        12 => Just(Change::Nothing),
        1 => (0..200u32).prop_map(Change::Length),
        1 => (0..200u32).prop_map(Change::Room),
        1 => prop_oneof![Just(BAD), Just(capos_abi::USER_END - 8), any::<u64>()].prop_map(Change::Address),
        1 => prop_oneof![Just(BAD), Just(capos_abi::USER_END - 8), any::<u64>()].prop_map(Change::Into),
        1 => (0..3u32).prop_map(Change::Caps),
        1 => (0..100u64).prop_map(Change::Deadline),
        1 => Just(Change::Loud),
        1 => Just(Change::Reserved),
        1 => any::<u64>().prop_map(Change::Cap),
        1 => Just(Change::Object),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..3u32, change()).prop_map(|(client, change)| Step::Call { client, change }),
        3 => Just(Step::Receive),
        8 => (0..4usize, change(), change(), any::<bool>()).prop_map(|(which, change, next, last)| Step::Answer { which, change, next, last }),
        1 => (0..4usize).prop_map(|which| Step::Return { which }),
        1 => (0..3u32, 0..40u64).prop_map(|(thread, user_data)| Step::Cancel { thread, user_data }),
        1 => (0..100u64).prop_map(|now| Step::Expire { now }),
        1 => (1..3u32).prop_map(|client| Step::Release { client }),
        1 => Just(Step::Revoke),
        1 => Just(Step::Close),
    ]
}

fn changed(mut entry: SubmissionEntry, change: Change, object: Handle) -> SubmissionEntry {
    match change {
        Change::Nothing => {}
        Change::Length(length) => entry.send_length = length,
        Change::Room(length) => entry.recv_length = length,
        Change::Address(address) => entry.send_address = address,
        Change::Into(address) => entry.recv_address = address,
        Change::Caps(count) => (entry.send_caps, entry.send_cap_count) = (0x7000, count),
        Change::Deadline(at) => entry.deadline_ns = at,
        Change::Loud => entry.flags ^= SubmissionFlags::QUIET.bits(),
        Change::Reserved => entry.reserved[1] = 1,
        Change::Cap(cap) => entry.cap = cap,
        Change::Object => entry.cap = object.0,
    }
    entry
}

/// One of the two worlds, with the tokens that its server received, in order, and a kernel object that each client can
/// call.
struct Side {
    world: TestMachine,
    is_short: bool,
    tokens: Vec<u64>,
    object: Handle,
    short: usize,
}

impl Side {
    fn new(is_short: bool) -> Self {
        let mut world = TestMachine::new();
        let object = world.ipc.caps.insert_new(1, ObjectKind::Timer, 0, Rights::all()).unwrap().0;
        Self { world, is_short, tokens: Vec::new(), object, short: 0 }
    }

    fn token(&self, which: usize) -> u64 {
        // The most recent tokens, of answered or open calls; otherwise one that refers to nothing in either
        // world.
        self.tokens.iter().rev().nth(which).copied().unwrap_or(u64::MAX - which as u64)
    }

    /// Submits entries of a thread, through the fast path where it accepts them. Calls to objects are answered at once.
    fn submit(&mut self, thread: u32, entries: &[SubmissionEntry]) {
        let TestMachine { ipc, fake, .. } = &mut self.world;
        let party = Party { thread, process: ipc.submitter(thread).unwrap().process };
        let direct = match entries {
            _ if !self.is_short => Direct::Declined,
            [call] => {
                plain::call(*call).map_or(Direct::Declined, |call| ipc.call_waiting(fake, party, &call))
            }
            [first, second] => plain::answer(*first, *second)
                .map_or(Direct::Declined, |answer| ipc.answer_and_wait(fake, party, &answer)),
            _ => Direct::Declined,
        };
        match direct {
            Direct::Taken(to, entry) => fake.complete(to, &entry),
            Direct::Silent => {}
            Direct::Object(call) => ipc.reply(fake, &call.caller, Reply::EMPTY),
            Direct::Declined => {
                for entry in entries {
                    if let Some(call) = self.world.submit(thread, *entry) {
                        self.world.ipc.reply(&mut self.world.fake, &call.caller, Reply::EMPTY);
                    }
                }
                return;
            }
        }
        self.short += 1;
    }

    fn run(&mut self, step: &Step, user_data: u64) {
        let (server, object) = (self.world.server.0, self.object);
        match *step {
            Step::Call { client, change } => {
                let cap = self.world.clients[client as usize - 1].0;
                self.submit(client, &[changed(SubmissionEntry { cap, user_data, ..CALL }, change, object)]);
            }
            Step::Receive => self.submit(0, &[SubmissionEntry { cap: server, user_data, ..RECV }]),
            Step::Answer { which, change, next, last } => {
                let flags = SubmissionFlags::QUIET.bits();
                let answer = SubmissionEntry { token: self.token(which), flags, user_data, ..RETURN };
                let recv = SubmissionEntry { cap: server, user_data: user_data + 1000, ..RECV };
                let mut entries = [changed(answer, change, object), changed(recv, next, object)];
                if last {
                    entries.reverse();
                }
                self.submit(0, &entries);
            }
            Step::Return { which } => {
                self.submit(0, &[SubmissionEntry { token: self.token(which), user_data, ..RETURN }]);
            }
            Step::Cancel { thread, user_data: token } => {
                let opcode = Opcode::Cancel as u8;
                self.submit(thread, &[SubmissionEntry { opcode, token, user_data, ..SubmissionEntry::NOP }]);
            }
            Step::Expire { now } => self.world.ipc.expire(&mut self.world.fake, now),
            Step::Release { client } => {
                let (opcode, cap) = (Opcode::Release as u8, self.world.clients[client as usize - 1].0);
                self.submit(client, &[SubmissionEntry { opcode, cap, user_data, ..SubmissionEntry::NOP }]);
            }
            Step::Revoke => {
                let opcode = Opcode::Revoke as u8;
                self.submit(0, &[SubmissionEntry { opcode, cap: server, user_data, ..SubmissionEntry::NOP }]);
            }
            Step::Close => {
                self.world.ipc.close_thread(&mut self.world.fake, 2);
                self.world.ipc.open_thread(2, 2, 8).unwrap();
            }
        }
    }

    /// Completions since the last call, with each token replaced by its ordinal number.
    fn heard(&mut self) -> Vec<(u32, CompletionEntry)> {
        let entries: Vec<_> = self.world.fake.completions.drain(..).collect();
        let named = entries.into_iter().map(|(thread, mut entry)| {
            if entry.kind == CompletionKind::Call as u16 {
                assert!(!self.tokens.contains(&entry.token), "a token is given once");
                self.tokens.push(entry.token);
            }
            if let Some(order) = self.tokens.iter().position(|&token| token == entry.token) {
                entry.token = order as u64;
            }
            (thread, entry)
        });
        named.collect()
    }
}

/// Runs the steps in both worlds. Returns how often the fast path was used.
fn compare(steps: &[Step]) -> usize {
    let mut sides = [Side::new(false), Side::new(true)];
    for (step, user_data) in steps.iter().zip(1..) {
        // As in the kernel, which takes no entries of a thread whose ring may lack space for their completions.
        let is_full = |side: &Side| (0..3).any(|thread| side.world.ipc.outstanding(thread) > 60);
        if sides.iter().any(is_full) {
            continue;
        }
        for side in &mut sides {
            side.run(step, user_data);
            side.world.ipc.check().unwrap();
        }
        let [long, short] = &mut sides;
        assert_eq!(long.heard(), short.heard(), "{step:?}");
        let (long, short) = (&mut long.world, &mut short.world);
        assert_eq!(long.fake.copies, short.fake.copies, "{step:?}");
        assert_eq!(long.ipc.leftovers(), short.ipc.leftovers(), "{step:?}");
        for thread in 0..3 {
            assert_eq!(long.ipc.outstanding(thread), short.ipc.outstanding(thread), "{step:?}");
        }
    }
    sides[1].short
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn the_short_way_gives_the_answers_of_the_long_one(steps in proptest::collection::vec(step(), 1..80)) {
        compare(&steps);
    }
}

#[test]
fn a_call_whose_server_waits_and_its_answer_go_the_short_way() {
    let call = Step::Call { client: 1, change: Change::Nothing };
    let answer = |last| Step::Answer { which: 0, change: Change::Nothing, next: Change::Nothing, last };
    let steps = [Step::Receive, call.clone(), answer(false), call, answer(true)];
    assert_eq!(compare(&steps), 4);
}
