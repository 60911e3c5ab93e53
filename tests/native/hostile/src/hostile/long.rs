//! Work that a process can make as long as its budget allows: the ends of derivation trees, badges, and queues of
//! callers. Each takes long, and the kernel does other work meanwhile.
#![expect(unsafe_code, reason = "rings of other threads are reached through raw addresses")]

use crate::calls::{create_endpoint, derive, mint, spawn_thread};
use crate::raw::{bootstrap, run, syscall};
use capos_abi::{
    COMPLETION_ENTRIES, COMPLETION_OFFSET, CompletionEntry, ErrorCode, NO_DEADLINE, Opcode, RingHeader,
    SUBMISSION_OFFSET, SubmissionEntry, Syscall,
};
use core::sync::atomic::{AtomicU32, Ordering};

/// Half of these cases' slots.
const HALF: usize = 30_000;
/// Number of calling threads.
const CALLERS: usize = 48;
/// Calls of each, as many as its ring has completions.
const CALLS: u32 = COMPLETION_ENTRIES;

fn release(cap: u64) -> i32 {
    run(SubmissionEntry { opcode: Opcode::Release as u8, cap, ..Default::default() }).status
}

/// Handles of a chain of capabilities below `root`, and of as many children of the last of them in lower slots.
fn chain_with_children(root: u64) -> Result<&'static [u64], i32> {
    // Neither allocated later nor freed: the heap would use the ring, which is accessed raw from here on.
    let handles = vec![0; 2 * HALF].leak();
    let copy = |cap| {
        let done = run(derive(cap));
        if done.status == 0 { Ok(done.token) } else { Err(done.status) }
    };
    let (low, chain) = handles.split_at_mut(HALF);
    for place in low.iter_mut() {
        *place = copy(root)?;
    }
    let mut deepest = root;
    for place in chain {
        deepest = copy(deepest)?;
        *place = deepest;
    }
    for place in low.iter() {
        release(*place);
    }
    for place in low {
        *place = copy(deepest)?;
    }
    Ok(handles)
}

/// Ends with a tree whose upper part is removed first.
pub(crate) fn end_of_a_tree() -> i32 {
    chain_with_children(bootstrap().endpoint_factory).err().unwrap_or(0)
}

/// Revokes such a tree.
pub(crate) fn revocation_of_a_tree() -> i32 {
    let root = bootstrap().endpoint_factory;
    let handles = match chain_with_children(root) {
        Ok(handles) => handles,
        Err(status) => return status,
    };
    let revoked = run(SubmissionEntry { opcode: Opcode::Revoke as u8, cap: root, ..Default::default() });
    if revoked.status != 0 {
        return revoked.status;
    }
    let is_revoked = |handle: &u64| run(derive(*handle)).status == ErrorCode::Revoked as i32;
    if handles.iter().step_by(1000).all(is_revoked) { 0 } else { 1 }
}

/// Drops the maximum number of badges, whose notifications are not received before the endpoint is gone.
pub(crate) fn end_of_badges() -> i32 {
    let (status, endpoint) = create_endpoint();
    if status != 0 {
        return status;
    }
    for badge in 1..=2 * HALF as u64 {
        let minted = run(mint(endpoint, badge));
        if minted.status != 0 {
            return minted.status;
        }
        release(minted.token);
    }
    release(endpoint)
}

/// Leaves an endpoint with thousands of waiting calls.
pub(crate) fn end_of_an_endpoint() -> i32 {
    // Allocated first, for the same reason.
    let stacks = vec![0_u128; CALLERS * 512].leak();
    let (status, endpoint) = create_endpoint();
    let client = run(mint(endpoint, 1));
    if status != 0 || client.status != 0 {
        return 1;
    }
    for stack in stacks.chunks_exact(512) {
        let top = stack.as_ptr_range().end as u64 - 8;
        let status = spawn_thread(call_many as *const () as u64, top, client.token);
        if status != 0 {
            return status;
        }
    }
    let reached = |counter: &AtomicU32| {
        while counter.load(Ordering::Acquire) < CALLERS as u32 {
            syscall(Syscall::Yield as u64, 0, 0, 0);
        }
    };
    reached(&CALLING);
    release(endpoint);
    reached(&DISCONNECTED);
    0
}

static CALLING: AtomicU32 = AtomicU32::new(0);
static DISCONNECTED: AtomicU32 = AtomicU32::new(0);

/// A thread that fills its ring with calls and waits for all of them.
extern "sysv64" fn call_many(ring: u64, client: u64) -> ! {
    // SAFETY: the kernel maps this thread's ring there as long as the thread lives, and its fields are atomics.
    let header = unsafe { &*(ring as *const RingHeader) };
    for index in 0..CALLS {
        let entry = SubmissionEntry { opcode: Opcode::Call as u8, cap: client, ..Default::default() };
        let entries = (ring as usize + SUBMISSION_OFFSET) as *mut SubmissionEntry;
        let slot = (index % capos_abi::SUBMISSION_ENTRIES) as usize;
        // SAFETY: the slot is within this thread's ring; volatile because the kernel reads it.
        unsafe { entries.add(slot).write_volatile(entry) };
        header.submission_tail.store(index.wrapping_add(1), Ordering::Release);
        syscall(Syscall::CapEnter as u64, 1, 0, NO_DEADLINE);
    }
    CALLING.fetch_add(1, Ordering::Release);
    syscall(Syscall::CapEnter as u64, 0, u64::from(CALLS), NO_DEADLINE);
    let completions = (ring as usize + COMPLETION_OFFSET) as *const CompletionEntry;
    let disconnected = (0..CALLS as usize).all(|slot| {
        // SAFETY: the slot is within this thread's ring; volatile because the kernel wrote it.
        let done = unsafe { completions.add(slot).read_volatile() };
        done.status == ErrorCode::Disconnected as i32
    });
    DISCONNECTED.fetch_add(u32::from(disconnected), Ordering::Release);
    loop {
        syscall(Syscall::ThreadExit as u64, 0, 0, 0);
    }
}
