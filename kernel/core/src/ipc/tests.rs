//! Compares calls with a model that records, for every submission, which completions it must cause.

use super::{CopyFault, Ipc, Machine, ObjectCall, Place, Reply, Submitted};
use crate::{caps::ObjectKind, work::Work};
use capos_abi::{
    CapDescriptor, CompletionEntry, CompletionKind, ErrorCode, Handle, Opcode, Rights, SubmissionEntry,
    SubmissionFlags,
};
use proptest::prelude::*;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    vec,
    vec::Vec,
};

mod direct;
mod growth;
mod model;

/// Addresses from here on fault.
const BAD: u64 = 0x1000_0000;

/// Memory by process and address; completions by thread.
#[derive(Default)]
struct Fake {
    descriptors: HashMap<(u32, u64), Vec<CapDescriptor>>,
    handles: HashMap<(u32, u64), u64>,
    completions: Vec<(u32, CompletionEntry)>,
    copies: Vec<(Place, Place, u32)>,
    lost: Vec<(ObjectKind, u64)>,
}

impl Machine for Fake {
    fn copy(&mut self, from: Place, to: Place, length: u32) -> Result<(), CopyFault> {
        if from.address >= BAD {
            return Err(CopyFault::Source);
        }
        if to.address >= BAD {
            return Err(CopyFault::Destination);
        }
        self.copies.push((from, to, length));
        Ok(())
    }

    fn write(&mut self, to: Place, _bytes: &[u8]) -> Result<(), CopyFault> {
        if to.address >= BAD { Err(CopyFault::Destination) } else { Ok(()) }
    }

    fn read_descriptors(&mut self, from: Place, into: &mut [CapDescriptor]) -> Result<(), CopyFault> {
        let list = self.descriptors.get(&(from.process, from.address)).ok_or(CopyFault::Source)?;
        into.copy_from_slice(list.get(..into.len()).ok_or(CopyFault::Source)?);
        Ok(())
    }

    fn write_handles(&mut self, to: Place, handles: &[u64]) -> Result<(), CopyFault> {
        if to.address >= BAD {
            return Err(CopyFault::Destination);
        }
        for (i, handle) in handles.iter().enumerate() {
            self.handles.insert((to.process, to.address + i as u64 * 8), *handle);
        }
        Ok(())
    }

    fn complete(&mut self, thread: u32, entry: &CompletionEntry) {
        self.completions.push((thread, *entry));
    }

    fn object_lost(&mut self, kind: ObjectKind, payload: u64) {
        self.lost.push((kind, payload));
    }
}

/// A server (process and thread 0) and two clients with a badged capability each.
struct TestMachine {
    ipc: Ipc,
    fake: Fake,
    server: Handle,
    clients: Vec<Handle>,
}

const CALL: SubmissionEntry = SubmissionEntry {
    opcode: Opcode::Call as u8,
    interface: 99,
    method: 3,
    send_address: 0x1000,
    send_length: 64,
    recv_address: 0x2000,
    recv_length: 128,
    recv_cap_count: 4,
    recv_caps: 0x3000,
    ..SubmissionEntry::NOP
};

const RECV: SubmissionEntry = SubmissionEntry {
    opcode: Opcode::Recv as u8,
    recv_address: 0x4000,
    recv_length: 128,
    recv_cap_count: 4,
    recv_caps: 0x5000,
    ..SubmissionEntry::NOP
};

const RETURN: SubmissionEntry = SubmissionEntry {
    opcode: Opcode::Return as u8,
    send_address: 0x6000,
    send_length: 32,
    ..SubmissionEntry::NOP
};

impl Ipc {
    /// Ends a process whose threads are closed, in one go.
    fn close_process(&mut self, machine: &mut Fake, process: u32) {
        while self.close_process_step(machine, process, &mut Work::step()) {}
        self.finish_work(machine);
    }

    /// Whether a thread must continue with [`Self::thread_step`] before it can submit anything.
    fn is_working(&self, thread: u32) -> bool {
        self.thread(thread).is_some_and(|thread| thread.revocation.is_some())
    }

    /// Whether a process has a capability with these rights.
    fn check_rights(&self, process: u32, cap: Handle, needed: Rights) -> Result<(), ErrorCode> {
        self.caps.lookup(process, cap, needed).map(drop)
    }
}

impl TestMachine {
    fn new() -> Self {
        let mut ipc = Ipc::new();
        for number in 0..3 {
            ipc.open_process(number, 32).unwrap();
            ipc.open_thread(number, number, 8).unwrap();
        }
        let server = ipc.create_endpoint(0).unwrap();
        let clients = (1..3)
            .map(|client| {
                let mode = capos_abi::TransferMode::Mint as u32;
                let list = [CapDescriptor { handle: server.0, badge: client.into(), rights: u32::MAX, mode }];
                let mut handles = [0];
                ipc.caps.begin_transfer(0, client, &list, &mut handles).unwrap();
                ipc.caps.commit_transfer(0, client, &list, &handles);
                Handle(handles[0])
            })
            .collect();
        Self { ipc, fake: Fake::default(), server, clients }
    }

    fn submit(&mut self, thread: u32, entry: SubmissionEntry) -> Option<ObjectCall> {
        let submitter = self.ipc.submitter(thread).unwrap();
        let submitted = self.ipc.submit(&mut self.fake, submitter, &entry);
        self.ipc.check().unwrap();
        match submitted {
            Submitted::Done => None,
            Submitted::Working => {
                while self.ipc.thread_step(&mut self.fake, thread, &mut Work::of(1)) {
                    self.ipc.check().unwrap();
                }
                None
            }
            Submitted::Object(call) => Some(call),
            Submitted::Again => self.submit(thread, entry),
        }
    }

    fn call(&mut self, client: u32, user_data: u64) {
        let cap = self.clients[client as usize - 1].0;
        self.submit(client, SubmissionEntry { cap, user_data, ..CALL });
    }

    fn receive(&mut self, user_data: u64) {
        self.submit(0, SubmissionEntry { cap: self.server.0, user_data, ..RECV });
    }

    /// Takes the completions that a thread has received since the last call, in order.
    fn take(&mut self, thread: u32) -> Vec<CompletionEntry> {
        let (taken, rest) = self.fake.completions.drain(..).partition(|(other, _)| *other == thread);
        self.fake.completions = rest;
        let taken: Vec<(u32, CompletionEntry)> = taken;
        taken.into_iter().map(|(_, entry)| entry).collect()
    }

    fn only(&mut self, thread: u32) -> CompletionEntry {
        let entries = self.take(thread);
        assert_eq!(entries.len(), 1, "{entries:?}");
        entries[0]
    }
}

fn status(entry: &CompletionEntry) -> Option<ErrorCode> {
    ErrorCode::from_raw(entry.status)
}

#[test]
fn a_call_reaches_the_server_and_comes_back() {
    for server_first in [true, false] {
        let mut world = TestMachine::new();
        if server_first {
            world.receive(7);
            world.call(1, 5);
        } else {
            world.call(1, 5);
            world.receive(7);
        }
        let got = world.only(0);
        assert_eq!((got.user_data, got.kind, got.length), (7, CompletionKind::Call as u16, 64));
        assert_eq!((got.badge, got.interface, got.method), (1, 99, 3));
        world.submit(0, SubmissionEntry { token: got.token, flags: SubmissionFlags::QUIET.bits(), ..RETURN });
        let result = world.only(1);
        assert_eq!((result.user_data, result.status, result.length), (5, 0, 32));
        assert!(world.take(0).is_empty());
        world.submit(0, SubmissionEntry { token: got.token, ..RETURN });
        assert_eq!(status(&world.only(0)), Some(ErrorCode::BadReplyToken));
        assert_eq!(world.ipc.outstanding(0) + world.ipc.outstanding(1), 0);
    }
}

#[test]
fn each_side_answers_for_its_own_memory() {
    let mut world = TestMachine::new();
    let client = world.clients[0].0;
    world.receive(1);
    world.submit(1, SubmissionEntry { cap: client, send_address: BAD, ..CALL });
    assert_eq!(status(&world.only(1)), Some(ErrorCode::BadAddress));
    assert!(world.take(0).is_empty(), "the server still waits");
    world.submit(1, SubmissionEntry { cap: client, send_length: 129, ..CALL });
    assert_eq!(status(&world.only(1)), Some(ErrorCode::MessageTooLarge));
    world.call(1, 2);
    assert_eq!(world.only(0).kind, CompletionKind::Call as u16);

    world.submit(0, SubmissionEntry { cap: world.server.0, recv_address: BAD, ..RECV });
    world.receive(3);
    world.call(2, 4);
    let entries = world.take(0);
    assert_eq!(status(&entries[0]), Some(ErrorCode::BadAddress));
    let token = entries[1].token;
    world.submit(0, SubmissionEntry { token, send_address: BAD, ..RETURN });
    assert_eq!(status(&world.only(0)), Some(ErrorCode::BadAddress));
    world.submit(
        0,
        SubmissionEntry { token, send_length: 1000, flags: SubmissionFlags::QUIET.bits(), ..RETURN },
    );
    assert_eq!(status(&world.only(0)), Some(ErrorCode::Undelivered));
    let result = world.only(2);
    assert_eq!((status(&result), result.length), (Some(ErrorCode::ResultTooLarge), 1000));
    world.submit(0, SubmissionEntry { token, ..RETURN });
    assert_eq!(status(&world.only(0)), Some(ErrorCode::BadReplyToken), "the call is over");
}

#[test]
fn nothing_is_written_of_what_is_not_delivered() {
    let mut world = TestMachine::new();
    let call = SubmissionEntry { cap: world.clients[0].0, send_caps: 0x7000, send_cap_count: 1, ..CALL };
    let descriptor = |handle| CapDescriptor { handle, badge: 0, rights: u32::MAX, mode: 0 };
    world.receive(1);
    world.fake.descriptors.insert((1, 0x7000), vec![descriptor(12345)]);
    world.submit(1, call);
    assert_eq!(status(&world.only(1)), Some(ErrorCode::BadCapabilityList));
    world.fake.descriptors.insert((1, 0x7000), vec![descriptor(call.cap)]);
    world.submit(1, SubmissionEntry { send_address: BAD, ..call });
    assert_eq!(status(&world.only(1)), Some(ErrorCode::BadAddress));
    assert!(world.take(0).is_empty() && world.fake.copies.is_empty());
    world.submit(1, call);
    let token = world.only(0).token;
    assert_eq!(world.fake.copies.len(), 1);

    world.fake.descriptors.insert((0, 0x7000), vec![descriptor(12345)]);
    world.submit(0, SubmissionEntry { token, send_caps: 0x7000, send_cap_count: 1, ..RETURN });
    assert_eq!(status(&world.only(0)), Some(ErrorCode::BadCapabilityList));
    assert_eq!(world.fake.copies.len(), 1);
}

#[test]
fn a_server_learns_that_what_it_minted_was_not_taken() {
    let mut world = TestMachine::new();
    while world.ipc.caps.derive(1, world.clients[0], Rights::all()).is_ok() {}
    world.receive(1);
    world.call(1, 2);
    let token = world.only(0).token;
    let mode = capos_abi::TransferMode::Mint as u32;
    let minted = CapDescriptor { handle: world.server.0, badge: 77, rights: u32::MAX, mode };
    world.fake.descriptors.insert((0, 0x7000), vec![minted]);
    let used = world.ipc.caps.slots_used(0);
    world.submit(0, SubmissionEntry { token, send_caps: 0x7000, send_cap_count: 1, ..RETURN });
    assert_eq!(status(&world.only(1)), Some(ErrorCode::BudgetExceeded));
    assert_eq!(status(&world.only(0)), Some(ErrorCode::Undelivered));
    assert_eq!(world.ipc.caps.slots_used(0), used, "there is no record of the badge, so nobody will drop it");
}

#[test]
fn a_server_that_dies_fails_its_callers() {
    let mut world = TestMachine::new();
    world.receive(1);
    world.call(1, 2);
    world.call(2, 3);
    world.ipc.close_thread(&mut world.fake, 0);
    world.ipc.close_process(&mut world.fake, 0);
    world.ipc.check().unwrap();
    for client in 1..3 {
        assert_eq!(status(&world.only(client)), Some(ErrorCode::Disconnected));
        world.call(client, 9);
        assert_eq!(status(&world.only(client)), Some(ErrorCode::Disconnected));
    }
}

#[test]
fn a_caller_that_dies_is_reported_and_its_badge_dropped() {
    let mut world = TestMachine::new();
    world.receive(1);
    world.call(1, 2);
    let token = world.only(0).token;
    world.ipc.close_thread(&mut world.fake, 1);
    world.ipc.close_process(&mut world.fake, 1);
    world.ipc.check().unwrap();
    world.submit(0, SubmissionEntry { token, ..RETURN });
    assert_eq!(status(&world.only(0)), Some(ErrorCode::BadReplyToken));
    world.receive(3);
    let news = world.only(0);
    assert_eq!((news.kind, news.token), (CompletionKind::CallCancelled as u16, token));
    world.receive(4);
    let news = world.only(0);
    assert_eq!((news.kind, news.badge), (CompletionKind::BadgeDropped as u16, 1));
    world.receive(5);
    assert!(world.take(0).is_empty());
}

#[test]
fn revocation_reaches_calls_under_way() {
    let mut world = TestMachine::new();
    world.receive(1);
    world.call(1, 2);
    world.call(2, 3);
    let token = world.only(0).token;
    world.submit(
        0,
        SubmissionEntry { opcode: Opcode::Revoke as u8, cap: world.server.0, ..SubmissionEntry::NOP },
    );
    for client in 1..3 {
        assert_eq!(status(&world.only(client)), Some(ErrorCode::Revoked));
        world.call(client, 9);
        assert_eq!(status(&world.only(client)), Some(ErrorCode::Revoked));
    }
    assert_eq!(world.only(0).status, 0);
    world.submit(0, SubmissionEntry { token, ..RETURN });
    assert_eq!(status(&world.only(0)), Some(ErrorCode::BadReplyToken));
}

#[test]
fn deadlines_and_cancellation_end_calls() {
    let mut world = TestMachine::new();
    let cap = world.clients[0].0;
    world.submit(1, SubmissionEntry { cap, user_data: 2, deadline_ns: 100, ..CALL });
    world.ipc.expire(&mut world.fake, 99);
    assert!(world.take(1).is_empty());
    world.ipc.expire(&mut world.fake, 100);
    assert_eq!(status(&world.only(1)), Some(ErrorCode::TimedOut));
    world.call(1, 3);
    world.submit(
        1,
        SubmissionEntry { opcode: Opcode::Cancel as u8, token: 3, user_data: 4, ..SubmissionEntry::NOP },
    );
    let entries = world.take(1);
    assert_eq!((entries[0].user_data, status(&entries[0])), (3, Some(ErrorCode::Cancelled)));
    assert_eq!((entries[1].user_data, entries[1].status), (4, 0));
    world.submit(1, SubmissionEntry { opcode: Opcode::Cancel as u8, token: 3, ..SubmissionEntry::NOP });
    assert_eq!(status(&world.only(1)), Some(ErrorCode::NotFound));
    world.receive(1);
    assert!(world.take(0).is_empty(), "calls that ended before are not delivered");
}

#[test]
fn capabilities_travel_with_messages_or_not_at_all() {
    let mut world = TestMachine::new();
    let (gift, _) = world.ipc.caps.insert_new(1, ObjectKind::Console, 0, Rights::all()).unwrap();
    let descriptor = |handle: u64, mode| CapDescriptor { handle, badge: 0, rights: u32::MAX, mode };
    world.fake.descriptors.insert((1, 0x7000), [descriptor(gift.0, 1), descriptor(12345, 0)].into());
    world.receive(1);
    let call = SubmissionEntry { cap: world.clients[0].0, send_caps: 0x7000, send_cap_count: 2, ..CALL };
    world.submit(1, call);
    assert_eq!(status(&world.only(1)), Some(ErrorCode::BadCapabilityList));
    assert!(world.ipc.check_rights(1, gift, Rights::all()).is_ok(), "nothing moved");
    world.submit(1, SubmissionEntry { send_cap_count: 1, ..call });
    assert_eq!(world.only(0).cap_count, 1);
    let arrived = Handle(world.fake.handles[&(0, 0x5000)]);
    assert!(world.ipc.check_rights(0, arrived, Rights::all()).is_ok());
    assert_eq!(world.ipc.check_rights(1, gift, Rights::empty()), Err(ErrorCode::BadCapability));
    world.ipc.release(&mut world.fake, 0, arrived).unwrap();
    assert_eq!(world.fake.lost, [(ObjectKind::Console, 0)]);
}

#[test]
fn who_serves_an_object_recognises_it() {
    let mut world = TestMachine::new();
    let list = |handle: Handle| vec![CapDescriptor { handle: handle.0, badge: 0, rights: u32::MAX, mode: 0 }];
    let client = world.clients[0];
    let other = world.ipc.create_endpoint(0).unwrap();
    let identify = |endpoint: Handle, client: u64| SubmissionEntry {
        opcode: Opcode::Identify as u8,
        cap: endpoint.0,
        token: client,
        ..SubmissionEntry::NOP
    };
    let own = capos_abi::CompletionFlags::OWN_CAPABILITY.bits();
    // In parameters.
    world.fake.descriptors.insert((1, 0x7000), list(client));
    world.receive(1);
    world.submit(1, SubmissionEntry { cap: client.0, send_caps: 0x7000, send_cap_count: 1, ..CALL });
    let call = world.only(0);
    assert_eq!((call.cap_count, call.flags), (1, own));
    let arrived = world.fake.handles[&(0, 0x5000)];
    world.submit(0, identify(world.server, arrived));
    let told = world.only(0);
    assert_eq!((told.status, told.badge), (0, 1));
    world.submit(0, identify(other, arrived));
    assert_eq!(status(&world.only(0)), Some(ErrorCode::NotFound));
    world.submit(0, identify(Handle(arrived), arrived));
    assert_eq!(status(&world.only(0)), Some(ErrorCode::MissingRights));
    world.submit(0, identify(world.server, world.server.0));
    assert_eq!(status(&world.only(0)), Some(ErrorCode::MissingRights));
    // In results, for a process that does not serve it.
    world.fake.descriptors.insert((0, 0x7000), list(Handle(arrived)));
    world.submit(0, SubmissionEntry { token: call.token, send_caps: 0x7000, send_cap_count: 1, ..RETURN });
    assert_eq!((world.only(1).flags, world.only(0).status), (0, 0));
}

#[test]
fn kernel_objects_answer_at_once_or_later() {
    let mut world = TestMachine::new();
    let (timer, _) = world.ipc.caps.insert_new(1, ObjectKind::Timer, 0, Rights::all()).unwrap();
    let entry = SubmissionEntry { cap: timer.0, user_data: 8, ..CALL };
    let call = world.submit(1, entry).unwrap();
    world.ipc.reply(&mut world.fake, &call.caller, Reply::EMPTY);
    assert_eq!(world.only(1).length, 16);
    let queue = world.ipc.create_queue().unwrap();
    let call = world.submit(1, entry).unwrap();
    let id = world.ipc.suspend(&mut world.fake, &call, queue, 0).unwrap();
    assert_eq!(world.ipc.first_suspended(queue), Some(id));
    world.ipc.check().unwrap();
    world.ipc.answer(&mut world.fake, id, Reply::Exception(ErrorCode::Failed, "no"));
    let entry8 = world.only(1);
    assert_eq!((entry8.length, entry8.flags, status(&entry8)), (2, 1, Some(ErrorCode::Failed)));
    for (deadline_ns, expected) in [(0, None), (20, Some(ErrorCode::TimedOut))] {
        let call = world.submit(1, SubmissionEntry { deadline_ns, ..entry }).unwrap();
        world.ipc.sleep(&mut world.fake, &call, 50);
        world.ipc.check().unwrap();
        world.ipc.expire(&mut world.fake, 50);
        assert_eq!(status(&world.only(1)), expected);
    }
    let call = world.submit(1, entry).unwrap();
    world.ipc.suspend(&mut world.fake, &call, queue, 0).unwrap();
    world.ipc.remove_queue(queue);
    world.ipc.finish_work(&mut world.fake);
    assert_eq!(status(&world.only(1)), Some(ErrorCode::Disconnected));
    world.ipc.check().unwrap();
}
