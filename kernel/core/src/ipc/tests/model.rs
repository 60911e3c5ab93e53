//! Random submissions; the model knows which thread must receive a completion for each, and checks that there
//! is exactly one.

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Call {
        client: u32,
        bad_memory: bool,
        deadline: u64,
    },
    Receive {
        bad_memory: bool,
    },
    Return {
        which: usize,
        throw: bool,
    },
    Cancel {
        thread: u32,
        which: usize,
    },
    Expire {
        now: u64,
    },
    Mint {
        client: u32,
    },
    Release {
        client: u32,
    },
    /// Starts to revoke all client capabilities.
    Revoke,
    /// Continues the revocation.
    Go {
        work: u32,
    },
    /// Replaces the endpoint by a new one.
    Replace,
    /// Does work that no thread waits for.
    Work {
        work: u32,
    },
    /// Starts or continues the end of the second client, which is restarted at once.
    Close {
        work: u32,
    },
    Garbage(Vec<u64>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..3u32, 0..10u8, 0..200u64).prop_map(|(client, bad, deadline)| Step::Call {
            client,
            bad_memory: bad == 0,
            deadline: deadline.saturating_sub(100)
        }),
        5 => (0..10u8).prop_map(|bad| Step::Receive { bad_memory: bad == 0 }),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(which, throw)| Step::Return { which, throw }),
        2 => (0..3u32, any::<usize>()).prop_map(|(thread, which)| Step::Cancel { thread, which }),
        1 => (0..100u64).prop_map(|now| Step::Expire { now }),
        1 => (1..3u32).prop_map(|client| Step::Mint { client }),
        1 => (1..3u32).prop_map(|client| Step::Release { client }),
        1 => Just(Step::Revoke),
        2 => (1..4u32).prop_map(|work| Step::Go { work }),
        1 => Just(Step::Replace),
        2 => (1..4u32).prop_map(|work| Step::Work { work }),
        1 => (1..4u32).prop_map(|work| Step::Close { work }),
        1 => proptest::collection::vec(any::<u64>(), 8).prop_map(Step::Garbage),
    ]
}

#[derive(Default)]
struct Model {
    next: u64,
    /// Submissions without a completion, by user data: their thread.
    waiting: HashMap<u64, u32>,
    /// Calls in the order in which they must be delivered.
    queue: VecDeque<u64>,
    /// Tokens that the server may answer.
    open: Vec<u64>,
    ever: HashSet<u64>,
    /// Tokens whose cancellation the server has been notified of.
    told: HashSet<u64>,
    /// Whether the second client is ending.
    closing: bool,
}

impl Model {
    fn fresh(&mut self, thread: u32) -> u64 {
        self.next += 1;
        self.waiting.insert(self.next, thread);
        self.next
    }

    /// Checks completions against what was submitted.
    fn absorb(&mut self, fake: &mut Fake) -> Result<(), TestCaseError> {
        for (thread, entry) in fake.completions.drain(..) {
            let submitter = self.waiting.remove(&entry.user_data);
            prop_assert_eq!(submitter, Some(thread), "one completion each, to its own thread");
            self.queue.retain(|&call| call != entry.user_data);
            match CompletionKind::from_raw(entry.kind).unwrap() {
                CompletionKind::Call => {
                    prop_assert!(self.ever.insert(entry.token), "a token is given once");
                    self.open.push(entry.token);
                    // In this test, the message length received by the server is the caller's user data.
                    let next = self.queue.pop_front();
                    prop_assert_eq!(next.map(|call| call % 100), Some(u64::from(entry.length)), "in order");
                }
                CompletionKind::CallCancelled => {
                    prop_assert!(self.ever.contains(&entry.token) && self.told.insert(entry.token));
                    self.open.retain(|&token| token != entry.token);
                }
                CompletionKind::Done | CompletionKind::BadgeDropped => {}
            }
        }
        Ok(())
    }
}

impl Step {
    /// The thread that submits it.
    fn thread(&self) -> Option<u32> {
        match *self {
            Self::Call { client, .. } | Self::Mint { client } | Self::Release { client } => Some(client),
            Self::Cancel { thread, .. } => Some(thread),
            Self::Receive { .. } | Self::Return { .. } | Self::Revoke | Self::Replace => Some(0),
            Self::Garbage(_) => Some(1),
            Self::Expire { .. } | Self::Go { .. } | Self::Work { .. } | Self::Close { .. } => None,
        }
    }
}

/// The client that ends during the test.
const DOOMED: u32 = 2;

fn mint(world: &mut TestMachine, client: u32) {
    let mode = capos_abi::TransferMode::Mint as u32;
    let list = [CapDescriptor { handle: world.server.0, badge: client.into(), rights: u32::MAX, mode }];
    let mut handles = [0];
    if world.ipc.caps.begin_transfer(0, client, &list, &mut handles).is_ok() {
        world.ipc.caps.commit_transfer(0, client, &list, &handles);
        world.clients[client as usize - 1] = Handle(handles[0]);
    }
}

fn close(world: &mut TestMachine, model: &mut Model, work: u32) {
    if !core::mem::replace(&mut model.closing, true) {
        world.ipc.close_thread(&mut world.fake, DOOMED);
        let waiting = &mut model.waiting;
        model.queue.retain(|call| waiting.get(call) != Some(&DOOMED));
        waiting.retain(|_, thread| *thread != DOOMED);
    }
    if !world.ipc.close_process_step(&mut world.fake, DOOMED, &mut Work::of(work)) {
        model.closing = false;
        world.ipc.open_process(DOOMED, 32).unwrap();
        world.ipc.open_thread(DOOMED, DOOMED, 8).unwrap();
        mint(world, DOOMED);
    }
}

fn run(world: &mut TestMachine, model: &mut Model, step: &Step) -> Result<(), TestCaseError> {
    let thread = step.thread();
    if (thread == Some(DOOMED) && model.closing) || (thread == Some(0) && world.ipc.is_working(0)) {
        return Ok(());
    }
    match step {
        Step::Revoke => {
            let user_data = model.fresh(0);
            let entry = SubmissionEntry {
                opcode: Opcode::Revoke as u8,
                cap: world.server.0,
                user_data,
                ..SubmissionEntry::NOP
            };
            let submitter = world.ipc.submitter(0).unwrap();
            let submitted = world.ipc.submit(&mut world.fake, submitter, &entry);
            prop_assert!(matches!(submitted, Submitted::Working));
        }
        Step::Go { work } => {
            world.ipc.thread_step(&mut world.fake, 0, &mut Work::of(*work));
        }
        Step::Replace => {
            let (user_data, cap) = (model.fresh(0), world.server.0);
            world.submit(
                0,
                SubmissionEntry { opcode: Opcode::Release as u8, cap, user_data, ..SubmissionEntry::NOP },
            );
            world.server = world.ipc.create_endpoint(0).unwrap();
            // Calls that wait at the old endpoint are not delivered any more.
            model.queue.clear();
        }
        Step::Work { work } => {
            world.ipc.work_step(&mut world.fake, &mut Work::of(*work));
        }
        Step::Close { work } => close(world, model, *work),
        Step::Call { client, bad_memory, deadline } => {
            let user_data = model.fresh(*client);
            let entry = SubmissionEntry {
                cap: world.clients[*client as usize - 1].0,
                user_data,
                send_address: if *bad_memory { BAD } else { 0x1000 },
                send_length: (user_data % 100) as u32,
                deadline_ns: *deadline,
                ..CALL
            };
            model.queue.push_back(user_data);
            world.submit(*client, entry);
        }
        Step::Receive { bad_memory } => {
            let recv_address = if *bad_memory { BAD } else { 0x4000 };
            let user_data = model.fresh(0);
            world.submit(0, SubmissionEntry { cap: world.server.0, user_data, recv_address, ..RECV });
        }
        Step::Return { which, throw } => {
            let known: Vec<u64> = model.ever.iter().copied().collect();
            let token = if known.is_empty() { *which as u64 } else { known[which % known.len()] };
            let user_data = model.fresh(0);
            let (flags, method) =
                if *throw { (SubmissionFlags::EXCEPTION.bits(), ErrorCode::Failed as u16) } else { (0, 0) };
            world.submit(0, SubmissionEntry { token, user_data, flags, method, ..RETURN });
            let mine = world.fake.completions.iter().find(|(_, entry)| entry.user_data == user_data);
            let status = mine.map(|(_, entry)| entry.status);
            let valid = model.open.contains(&token) && !world.gave_up(token);
            prop_assert_eq!(status == Some(0), valid, "only open calls can be answered");
            model.open.retain(|&other| other != token);
        }
        Step::Cancel { thread, which } => {
            let targets: Vec<u64> =
                model.waiting.iter().filter(|(_, owner)| *owner == thread).map(|(data, _)| *data).collect();
            let token = if targets.is_empty() { 0 } else { targets[which % targets.len()] };
            let user_data = model.fresh(*thread);
            world.submit(
                *thread,
                SubmissionEntry { opcode: Opcode::Cancel as u8, token, user_data, ..SubmissionEntry::NOP },
            );
            let done = |data| world.fake.completions.iter().any(|(_, entry)| entry.user_data == data);
            prop_assert!(done(user_data) && (token == 0 || done(token)));
        }
        Step::Expire { now } => {
            world.ipc.expire(&mut world.fake, *now);
            prop_assert!(world.ipc.earliest_ns() > *now);
        }
        Step::Mint { client } => mint(world, *client),
        Step::Release { client } => {
            let user_data = model.fresh(*client);
            let cap = world.clients[*client as usize - 1].0;
            world.submit(
                *client,
                SubmissionEntry { opcode: Opcode::Release as u8, cap, user_data, ..SubmissionEntry::NOP },
            );
        }
        Step::Garbage(words) => {
            let user_data = model.fresh(1);
            let entry = SubmissionEntry {
                opcode: words[0] as u8 % 10,
                flags: words[1] as u8 % 4,
                cap: (words[2] % 5) | (1 << 32),
                recv_address: words[3],
                recv_length: words[4] as u32,
                token: words[5],
                user_data,
                ..SubmissionEntry::NOP
            };
            // Operations that may wait or revoke are covered above; the others must complete at once.
            let covered = [Opcode::Call as u8, Opcode::Revoke as u8];
            if entry.flags & 1 != 0 || covered.contains(&entry.opcode) {
                model.waiting.remove(&user_data);
            } else {
                world.submit(1, entry);
                let answered = world.fake.completions.iter().any(|(_, done)| done.user_data == user_data);
                prop_assert!(answered);
            }
        }
    }
    model.absorb(&mut world.fake)
}

impl TestMachine {
    /// Whether the caller of an open call has cancelled it, according to the implementation.
    fn gave_up(&self, token: u64) -> bool {
        self.fake
            .completions
            .iter()
            .any(|(_, entry)| entry.kind == CompletionKind::CallCancelled as u16 && entry.token == token)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn every_submission_is_heard_of_once(steps in proptest::collection::vec(step(), 1..120)) {
        let mut world = TestMachine::new();
        let mut model = Model::default();
        for step in &steps {
            // A call cancelled by its caller can no longer be answered.
            let callers = world.live_tokens();
            model.open.retain(|token| callers.contains(token));
            run(&mut world, &mut model, step)?;
            world.ipc.check().map_err(TestCaseError::fail)?;
        }
        while world.ipc.is_working(0) {
            run(&mut world, &mut model, &Step::Go { work: 1 })?;
        }
        while model.closing {
            run(&mut world, &mut model, &Step::Close { work: 1 })?;
        }
        world.ipc.close_thread(&mut world.fake, 0);
        model.waiting.retain(|_, thread| *thread != 0);
        world.ipc.close_process(&mut world.fake, 0);
        world.ipc.check().map_err(TestCaseError::fail)?;
        for (_, entry) in world.fake.completions.drain(..) {
            model.waiting.remove(&entry.user_data);
        }
        prop_assert!(model.waiting.is_empty(), "nobody waits for a server that is gone");
    }
}

impl TestMachine {
    fn live_tokens(&self) -> HashSet<u64> {
        self.ipc
            .operations
            .iter()
            .filter(|(_, operation)| matches!(operation.state, super::super::State::Open(0)))
            .map(|(id, _)| id.pack())
            .collect()
    }
}
