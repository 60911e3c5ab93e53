//! Exhausts the machine's memory, and exercises the kernel while its allocations fail.

use crate::calls::{
    self, create_endpoint, create_object, derive, invoke, map_object, mint, reserve, spawn_thread, unmap,
};
use crate::handles::call;
use crate::raw::{self, bootstrap, cap_enter, exit, grant, pop, push, run, syscall};
use capnp::message::Builder;
use capnp::traits::HasTypeId;
use capos_abi::{CompletionEntry, ErrorCode, Opcode, SubmissionEntry, Syscall};
use capos_schema::{
    console_capnp::console, diagnostics_capnp::diagnostics, endpoint_capnp::endpoint_factory,
    timer_capnp::timer,
};

const PAGE: u64 = 4096;
/// Exit status if all allocations succeeded.
const NOT_REACHED: i32 = 77;
/// Number of consecutive failing allocations.
const FAILING: u32 = 3;

/// The grants, in the order of the start.
const TIMER: u32 = 1;
const DIAGNOSTICS: u32 = 2;
const LOG: u32 = 3;

/// Errors of a call that ran out of memory.
const REFUSED: [ErrorCode; 2] = [ErrorCode::Overloaded, ErrorCode::BudgetExceeded];

/// Ends the process unless a call succeeded or was refused for lack of memory. Returns whether it succeeded.
fn granted(status: i32) -> bool {
    if status != 0 && !REFUSED.iter().any(|code| *code as i32 == status) {
        exit(status);
    }
    status == 0
}

/// Repeats `attempt` until it is refused.
fn until_refused(mut attempt: impl FnMut() -> i32) {
    while granted(attempt()) {}
}

/// Makes the kernel read a page of this process, which faults it in. A page that cannot be allocated is an error of that
/// call, while touching it would end the process.
fn fill(address: u64) -> bool {
    let entry = SubmissionEntry {
        send_address: address,
        send_length: 16,
        ..call(bootstrap().endpoint_factory, endpoint_factory::Client::TYPE_ID, 99)
    };
    run(entry).status != ErrorCode::BadAddress as i32
}

fn release(cap: u64) {
    run(SubmissionEntry { opcode: Opcode::Release as u8, cap, ..Default::default() });
}

extern "C" fn end_thread() -> ! {
    loop {
        syscall(Syscall::ThreadExit as u64, 0, 0, 0);
    }
}

extern "C" fn wait_for_ever() -> ! {
    loop {
        syscall(Syscall::CapEnter as u64, 0, 1, capos_abi::NO_DEADLINE);
    }
}

/// Allocates every frame, then all small records, and keeps them.
pub(crate) fn greedy() -> i32 {
    let stack = vec![0_u64; 1024].leak();
    let top = stack.as_ptr() as u64 + 4096;
    // Touching one of its own pages for the first time would end this process later.
    let (status, object) = create_object(PAGE);
    granted(status);
    let (status, endpoint) = create_endpoint();
    granted(status);
    granted(spawn_thread(wait_for_ever as *const () as u64, top, 0));
    release(object);
    release(endpoint);
    let (status, address) = reserve(0, 8 << 30, "rw");
    if status != 0 {
        return status;
    }
    let mut page = address;
    while fill(page) {
        page += PAGE;
    }
    // Lists of various lengths, and records that other processes need too.
    for pages in [4096, 256, 16, 1] {
        until_refused(|| create_object(pages * PAGE).0);
    }
    until_refused(|| create_endpoint().0);
    until_refused(|| run(derive(bootstrap().endpoint_factory)).status);
    until_refused(|| spawn_thread(wait_for_ever as *const () as u64, top, 0));
    let mut write = false;
    until_refused(|| {
        write = !write;
        reserve(0, PAGE, if write { "rw" } else { "r" }).0
    });
    wait_for_ever()
}

/// Makes allocations fail, starting with number `number`. Returns whether failures of an earlier request are still
/// pending.
fn fail_allocations(number: u64, count: u32) -> bool {
    let mut message = Builder::new_default();
    {
        let mut root = message.init_root::<diagnostics::fail_allocations_params::Builder<'_>>();
        root.set_number(number);
        root.set_count(count);
    }
    let mut results = [0_u64; 64];
    let (done, _) = invoke(grant(DIAGNOSTICS), diagnostics::Client::TYPE_ID, 3, &message, &mut results);
    if done.status != 0 {
        exit(100 + done.status);
    }
    // Frame word, root pointer, then the results' data word.
    results[2] & 1 != 0
}

/// Exercises the kernel while its allocations from number `number` on fail.
pub(crate) fn shortage(number: u64) -> i32 {
    let stack = vec![0_u64; 1024].leak();
    let top = stack.as_ptr() as u64 + 4096;
    let line = vec![b'.'; 2048];
    let mut log = Builder::new_default();
    log.init_root::<console::write_params::Builder<'_>>().set_bytes(&line);
    let mut results = vec![0_u64; 64];
    fail_allocations(number, FAILING);
    endpoints_and_calls();
    memory();
    granted(spawn_thread(end_thread as *const () as u64, top, 0));
    waits();
    granted(invoke(grant(LOG), console::Client::TYPE_ID, 0, &log, &mut results).0.status);
    if fail_allocations(0, 0) { NOT_REACHED } else { 0 }
}

/// Pending operations, and received calls.
#[derive(Default)]
struct Ledger {
    waiting: u32,
    arrived: Vec<u64>,
}

/// `user_data` of a RECV, and of operations that complete at once.
const RECEIVING: u64 = 8;
const AT_ONCE: u64 = 7;

impl Ledger {
    /// Submits an operation that may complete later.
    fn start(&mut self, entry: SubmissionEntry) {
        push(entry);
        if cap_enter(1, 0) < 0 {
            exit(1);
        }
        self.waiting += 1;
    }

    /// Records completions. Returns that of an immediate operation, if there is one.
    fn note(&mut self) -> Option<CompletionEntry> {
        let mut found = None;
        while let Some(done) = pop() {
            if done.user_data == AT_ONCE {
                found = Some(done);
                continue;
            }
            self.waiting -= 1;
            if done.user_data == RECEIVING && done.status == 0 && done.token != 0 {
                self.arrived.push(done.token);
            }
        }
        found
    }

    /// Submits an operation that completes at once.
    fn run(&mut self, entry: SubmissionEntry) -> CompletionEntry {
        push(SubmissionEntry { user_data: AT_ONCE, ..entry });
        cap_enter(1, 0);
        loop {
            if let Some(done) = self.note() {
                return done;
            }
            cap_enter(0, 1);
        }
    }

    fn release(&mut self, cap: u64) {
        self.run(SubmissionEntry { opcode: Opcode::Release as u8, cap, ..Default::default() });
    }
}

static mut BUFFER: [u64; 8] = [0; 8];

/// Capabilities of all kinds, calls to itself, and the release of both.
fn endpoints_and_calls() {
    let (status, endpoint) = create_endpoint();
    if !granted(status) {
        return;
    }
    let mut ledger = Ledger::default();
    let mut deepest = endpoint;
    for badge in 1..8 {
        let copy = ledger.run(derive(deepest));
        if granted(copy.status) {
            deepest = copy.token;
        }
        let client = ledger.run(mint(endpoint, badge));
        if !granted(client.status) {
            continue;
        }
        ledger.start(call(client.token, 1, 0));
        ledger.start(SubmissionEntry { deadline_ns: 1, ..call(client.token, 1, 0) });
        ledger.start(SubmissionEntry {
            opcode: Opcode::Recv as u8,
            cap: endpoint,
            recv_length: 64,
            recv_address: (&raw mut BUFFER) as u64,
            user_data: RECEIVING,
            ..Default::default()
        });
        ledger.note();
        while let Some(token) = ledger.arrived.pop() {
            ledger.run(SubmissionEntry { opcode: Opcode::Return as u8, token, ..Default::default() });
        }
        if badge % 2 == 0 {
            ledger.release(client.token);
        }
    }
    ledger.run(SubmissionEntry { opcode: Opcode::Revoke as u8, cap: endpoint, ..Default::default() });
    ledger.release(endpoint);
    while ledger.waiting > 0 {
        cap_enter(0, 1);
        ledger.note();
    }
}

/// Objects with short and long page lists, split ranges, and pages that the kernel faults in.
fn memory() {
    for pages in [4, 1024] {
        let (status, object) = create_object(pages * PAGE);
        if !granted(status) {
            continue;
        }
        let (status, address) = map_object(object, pages * PAGE, "rw");
        if granted(status) {
            for page in [0, pages / 2, pages - 1] {
                fill(address + page * PAGE);
            }
            granted(unmap(address, pages * PAGE));
        }
        release(object);
    }
    let (status, address) = reserve(0, 8 * PAGE, "rw");
    if granted(status) {
        fill(address + 2 * PAGE);
        granted(calls::protect(address + PAGE, PAGE, "r"));
        granted(unmap(address + 3 * PAGE, 2 * PAGE));
        granted(unmap(address, 8 * PAGE));
    }
}

/// Waits that end by their deadlines.
fn waits() {
    let mut now = Builder::new_default();
    now.init_root::<timer::sleep_until_params::Builder<'_>>().set_nanoseconds(1);
    let mut results = [0_u64; 64];
    granted(invoke(grant(TIMER), timer::Client::TYPE_ID, 1, &now, &mut results).0.status);
    static WORD: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);
    let waited = raw::syscall(Syscall::FutexWait as u64, &raw const WORD as u64, 0, 1);
    let timed_out = -i64::from(ErrorCode::TimedOut as i32);
    if waited != timed_out {
        granted(i32::try_from(-waited).unwrap_or(255));
    }
}
