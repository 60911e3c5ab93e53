//! Simulates running out of memory at every allocation in turn: the affected call fails with the documented error,
//! everything stays consistent, and nothing leaks.
// Unsafe here: a global allocator is an unsafe trait, and these tests need one that fails on request.
#![allow(missing_docs, reason = "tests")]
#![expect(unsafe_code, reason = "a global allocator is an unsafe trait")]

use capos_abi::{
    CapDescriptor, CompletionEntry, ErrorCode, Handle, Opcode, Rights, SubmissionEntry, TransferMode,
};
use capos_kernel_core::{
    caps::ObjectKind,
    ipc::{CopyFault, Ipc, Machine, Place, QueueId, Reply, Submitted},
    regions::{Backing, Protection, RegionMap},
    run_queue::RunQueue,
    walk::Walk,
    work::Work,
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    /// Whether allocations on this thread are counted.
    static COUNTS: Cell<bool> = const { Cell::new(false) };
    /// Number of allocations before the one that fails.
    static LEFT: Cell<u64> = const { Cell::new(0) };
}

struct Failing;

fn fails() -> bool {
    if !COUNTS.get() || LEFT.get() == 0 {
        return false;
    }
    LEFT.set(LEFT.get() - 1);
    LEFT.get() == 0
}

// SAFETY: the system's allocator does the work; returning a null pointer is how an allocator reports that memory is
// used up.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the arguments are passed on unchanged.
        if fails() { std::ptr::null_mut() } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the arguments are passed on unchanged.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the arguments are passed on unchanged.
        if fails() { std::ptr::null_mut() } else { unsafe { System.realloc(pointer, layout, size) } }
    }
}

#[global_allocator]
static ALLOCATOR: Failing = Failing;

/// Runs the code that may encounter the failing allocation.
fn counting<R>(work: impl FnOnce() -> R) -> R {
    COUNTS.set(true);
    let result = work();
    COUNTS.set(false);
    result
}

/// Runs `scenario` with the first allocation failing, then with the second, and so on until a run without a
/// failure. Returns the number of allocations.
fn at_every_allocation(scenario: impl Fn()) -> u64 {
    for number in 1.. {
        LEFT.set(number);
        scenario();
        if LEFT.replace(0) != 0 {
            return number - 1;
        }
    }
    0
}

const MAX_COMPLETIONS: usize = 256;

/// Simulated memory that accepts every write, in preallocated space.
struct Fake {
    /// The contents of every capability list.
    list: [CapDescriptor; 2],
    handles: [u64; 2],
    completions: Vec<(u32, CompletionEntry)>,
}

impl Machine for Fake {
    fn copy(&mut self, _: Place, _: Place, _: u32) -> Result<(), CopyFault> {
        Ok(())
    }

    fn write(&mut self, _: Place, _: &[u8]) -> Result<(), CopyFault> {
        Ok(())
    }

    fn read_descriptors(&mut self, _: Place, into: &mut [CapDescriptor]) -> Result<(), CopyFault> {
        into.copy_from_slice(self.list.get(..into.len()).ok_or(CopyFault::Source)?);
        Ok(())
    }

    fn write_handles(&mut self, _: Place, handles: &[u64]) -> Result<(), CopyFault> {
        self.handles.get_mut(..handles.len()).ok_or(CopyFault::Destination)?.copy_from_slice(handles);
        Ok(())
    }

    fn complete(&mut self, thread: u32, entry: &CompletionEntry) {
        assert!(self.completions.len() < MAX_COMPLETIONS);
        self.completions.push((thread, *entry));
    }

    fn object_lost(&mut self, _: ObjectKind, _: u64) {}
}

/// Processes 0 (a server) to 2, each with one thread of the same number.
struct TestProcesses {
    ipc: Ipc,
    fake: Fake,
}

/// A receive entry with space for a message.
const RECEIVING: SubmissionEntry =
    SubmissionEntry { recv_length: 64, recv_cap_count: 2, ..SubmissionEntry::NOP };

fn entry(opcode: Opcode, cap: u64) -> SubmissionEntry {
    let base = match opcode {
        Opcode::Call | Opcode::Recv => RECEIVING,
        _ => SubmissionEntry::NOP,
    };
    SubmissionEntry { opcode: opcode as u8, cap, ..base }
}

impl TestProcesses {
    fn new() -> Self {
        let nothing = CapDescriptor { handle: 0, badge: 0, rights: u32::MAX, mode: 0 };
        let completions = Vec::with_capacity(MAX_COMPLETIONS);
        Self { ipc: Ipc::new(), fake: Fake { list: [nothing; 2], handles: [0; 2], completions } }
    }

    /// Submits an entry for a thread and carries out the resulting work. Returns the thread's completions, the last
    /// first.
    fn submit(&mut self, thread: u32, entry: SubmissionEntry) -> Vec<CompletionEntry> {
        let Some(submitter) = self.ipc.submitter(thread) else { return Vec::new() };
        let Self { ipc, fake } = self;
        counting(|| match ipc.submit(fake, submitter, &entry) {
            Submitted::Done | Submitted::Again => {}
            Submitted::Working => while ipc.thread_step(fake, thread, &mut Work::of(1)) {},
            Submitted::Object(call) => ipc.sleep(fake, &call, 1000),
        });
        self.settle();
        let mine = |(to, entry): &(u32, CompletionEntry)| (*to == thread).then_some(*entry);
        self.fake.completions.iter().rev().filter_map(mine).collect()
    }

    /// Carries out the remaining work and checks consistency.
    fn settle(&mut self) {
        let Self { ipc, fake } = self;
        counting(|| ipc.finish_work(fake));
        self.ipc.check().unwrap();
    }

    /// As [`Self::submit`], for an operation that completes at once: returns its token, or 0 if it failed for
    /// lack of memory, the only accepted reason.
    fn token(&mut self, thread: u32, entry: SubmissionEntry) -> u64 {
        let Some(done) = self.submit(thread, entry).first().copied() else { return 0 };
        self.judge(&done);
        done.token
    }

    /// Checks that a failure is due to lack of memory or follows from an earlier one.
    fn judge(&self, done: &CompletionEntry) {
        let code = ErrorCode::from_raw(done.status);
        let follows = [ErrorCode::BadCapability, ErrorCode::BadCapabilityList, ErrorCode::Disconnected];
        let allowed = code.is_none_or(|code| code == ErrorCode::BudgetExceeded || follows.contains(&code));
        assert!(allowed, "{code:?}");
    }

    fn open(&mut self, number: u32) {
        let ipc = &mut self.ipc;
        let opened = counting(|| {
            ipc.open_process(number, 64)?;
            ipc.open_thread(number, number, 8)
        });
        if let Err(code) = opened {
            assert_eq!(code, ErrorCode::BudgetExceeded);
            self.close(number);
        }
    }

    fn close(&mut self, number: u32) {
        let Self { ipc, fake } = self;
        counting(|| {
            ipc.close_thread(fake, number);
            while ipc.close_process_step(fake, number, &mut Work::of(1)) {}
        });
        self.settle();
    }
}

/// All operations of calls and capabilities.
fn calls_and_capabilities() {
    let mut world = TestProcesses::new();
    (0..3).for_each(|number| world.open(number));
    let ipc = &mut world.ipc;
    let endpoint = counting(|| ipc.create_endpoint(0)).map_or(0, |handle| handle.0);
    world.ipc.check().unwrap();
    let ipc = &mut world.ipc;
    let timer = counting(|| ipc.caps.insert_new(1, ObjectKind::Timer, 0, Rights::all()));
    let timer = timer.map_or(0, |(handle, _)| handle.0);
    world.ipc.check().unwrap();

    // Copies, and badges minted by the server.
    let mut copy = endpoint;
    for badge in 1..6 {
        copy = world.token(0, SubmissionEntry { rights: u32::MAX, ..entry(Opcode::Derive, copy) });
        let flags = capos_abi::SubmissionFlags::MINT.bits();
        let minted = SubmissionEntry { flags, badge, rights: u32::MAX, ..entry(Opcode::Derive, endpoint) };
        let minted = world.token(0, minted);
        if badge % 2 == 0 {
            world.token(0, entry(Opcode::Release, minted));
        }
    }
    // Clients' capabilities, each with a badge.
    let mut clients = [0; 2];
    for (client, cap) in (1..).zip(&mut clients) {
        let mode = TransferMode::Mint as u32;
        let list = [CapDescriptor { handle: endpoint, badge: client.into(), rights: u32::MAX, mode }];
        let ipc = &mut world.ipc;
        let mut handles = [0];
        let begun = counting(|| ipc.caps.begin_transfer(0, client, &list, &mut handles));
        if begun.is_ok() {
            world.ipc.caps.commit_transfer(0, client, &list, &handles);
            *cap = handles[0];
        }
        world.ipc.check().unwrap();
    }
    // Waiting calls, with deadlines and a capability that is transferred.
    world.fake.list[0].handle = clients[0];
    for deadline_ns in [0, 50, 60] {
        let call = entry(Opcode::Call, clients[0]);
        world.submit(1, SubmissionEntry { deadline_ns, send_cap_count: 1, user_data: 1, ..call });
        let call = entry(Opcode::Call, clients[1]);
        world.submit(2, SubmissionEntry { deadline_ns, user_data: 2, ..call });
    }
    world.submit(1, entry(Opcode::Call, timer));
    let mut open = Vec::new();
    for _ in 0..4 {
        let received = world.submit(0, entry(Opcode::Recv, endpoint));
        open.extend(
            received.first().filter(|done| done.status == 0 && done.token != 0).map(|done| done.token),
        );
        world.fake.completions.clear();
    }
    // A reply with a capability, one that fails, and one that comes too late.
    world.fake.list[0] =
        CapDescriptor { handle: copy, badge: 9, rights: u32::MAX, mode: TransferMode::Mint as u32 };
    if let Some(&token) = open.first() {
        world.submit(0, SubmissionEntry { token, send_cap_count: 1, ..entry(Opcode::Return, 0) });
    }
    let (ipc, fake) = (&mut world.ipc, &mut world.fake);
    counting(|| ipc.expire(fake, 55));
    world.settle();
    world.submit(2, entry(Opcode::Cancel, 0));
    // A queue of a kernel object, which is then removed.
    let ipc = &mut world.ipc;
    let queue: Option<QueueId> = counting(|| ipc.create_queue()).ok();
    if let (Some(queue), Some(submitter)) = (queue, world.ipc.submitter(1)) {
        let (ipc, fake) = (&mut world.ipc, &mut world.fake);
        counting(|| {
            for _ in 0..3 {
                if let Submitted::Object(call) = ipc.submit(fake, submitter, &entry(Opcode::Call, timer)) {
                    ipc.suspend(fake, &call, queue, 7);
                }
            }
            if let Some(first) = ipc.first_suspended(queue) {
                ipc.answer(fake, first, Reply::EMPTY);
            }
            ipc.remove_queue(queue);
        });
        world.settle();
    }
    // Revocation while calls are pending, the end of a client, and of the server.
    world.submit(2, SubmissionEntry { user_data: 5, ..entry(Opcode::Call, clients[1]) });
    world.submit(0, entry(Opcode::Revoke, endpoint));
    for number in [1, 0, 2] {
        world.close(number);
    }
    assert_eq!(world.ipc.leftovers(), [0; 7], "nothing is left");
    for number in 0..3 {
        assert_eq!(world.ipc.caps.slots_used(number), 0);
        // What failed for lack of memory succeeds once there is enough.
        COUNTS.set(false);
        world.ipc.open_process(number, 64).unwrap();
        world.ipc.open_thread(number, number, 8).unwrap();
        assert_ne!(world.ipc.create_endpoint(number), Ok(Handle(0)));
    }
    world.ipc.check().unwrap();
}

#[test]
fn calls_and_capabilities_survive_every_failed_allocation() {
    let allocations = at_every_allocation(calls_and_capabilities);
    assert!(allocations >= 20, "the scenario allocates: {allocations}");
}

#[test]
fn regions_survive_every_failed_allocation() {
    let allocations = at_every_allocation(|| {
        let mut map = RegionMap::new(64);
        let usage = Protection::READ | Protection::WRITE;
        for page in 0..24 {
            let at = 0x4000_0000 + page * 0x3000;
            let _ = counting(|| map.map(at, 0x2000, Backing::Anonymous, usage, usage));
            let _ = counting(|| map.protect(at, 0x1000, Protection::READ));
            let _ = counting(|| map.unmap(at + 0x1000, 0x1000, |_| {}));
            assert!(map.is_consistent(&mut Walk::new(&|| true)).unwrap());
        }
    });
    assert!(allocations > 0);
}

#[test]
fn run_queues_survive_every_failed_allocation() {
    let allocations = at_every_allocation(|| {
        let mut queue = RunQueue::new();
        for thread in 0..100 {
            let admitted = counting(|| queue.admit(thread)).is_ok();
            queue.push_back(thread, 3);
            assert!(queue.check(&mut Walk::new(&|| true)).is_ok() && queue.contains(thread) == admitted);
        }
    });
    assert!(allocations > 0);
}
