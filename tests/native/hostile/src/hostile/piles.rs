//! The maximum number of items of each kind, all released at once.

use crate::calls::{create_object, invoke, protect, reserve, unmap};
use crate::handles::{call, derive, release};
use crate::raw::{bootstrap, grant, poke, push, run, syscall};
use crate::sharing::endpoint;
use crate::threads::{Ring, start_on};
use capnp::message::Builder;
use capnp::traits::HasTypeId;
use capos_abi::{NO_DEADLINE, Opcode, Rights, SubmissionEntry, SubmissionFlags, Syscall};
use capos_schema::{console_capnp::console, timer_capnp::timer};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const PAGE: u64 = 4096;
/// Number of capabilities, badges and tree nodes.
const MANY: u32 = 10_000;
/// Number of threads.
const CROWD: u32 = 500;
/// Number of pages: 32 MiB.
const PAGES: u64 = 8_192;

/// Badges whose notifications are not received.
pub(crate) fn badges() -> i32 {
    let (endpoint, _) = endpoint();
    for badge in 0..u64::from(MANY) {
        let minted = run(SubmissionEntry {
            flags: SubmissionFlags::MINT.bits(),
            badge: badge + 2,
            ..derive(endpoint, Rights::all())
        });
        if minted.status != 0 {
            return minted.status;
        }
        release(minted.token);
    }
    release(endpoint)
}

/// Handles kept for a while. Not on the heap, whose growth would use the ring.
static LOW: [AtomicU64; MANY as usize] = [const { AtomicU64::new(0) }; MANY as usize];

/// A chain of capabilities whose deepest has as many children as the chain has links. Returns its root.
fn tree() -> Result<u64, i32> {
    let next = |of| {
        let done = run(derive(of, Rights::all()));
        if done.status == 0 { Ok(done.token) } else { Err(done.status) }
    };
    // No other reference exists.
    let root = next(bootstrap().endpoint_factory)?;
    for place in &LOW {
        place.store(next(root)?, Ordering::Relaxed);
    }
    let mut deepest = root;
    for _ in 0..MANY {
        deepest = next(deepest)?;
    }
    // The children get low slots, the chain has high ones.
    for place in &LOW {
        release(place.load(Ordering::Relaxed));
    }
    for _ in 0..MANY {
        next(deepest)?;
    }
    Ok(root)
}

/// Ends with a deep and wide tree.
pub(crate) fn tree_end() -> i32 {
    tree().err().unwrap_or(0)
}

/// Revokes a deep and wide tree.
pub(crate) fn tree_revoke() -> i32 {
    match tree() {
        Ok(root) => {
            run(SubmissionEntry { opcode: Opcode::Revoke as u8, cap: root, ..Default::default() }).status
        }
        Err(status) => status,
    }
}

/// Pages that have been written. Returns the address of the first.
fn touched(pages: u64) -> Result<u64, i32> {
    let (status, address) = reserve(0, pages * PAGE, "rw");
    if status != 0 {
        return Err(status);
    }
    (0..pages).for_each(|page| poke(address + page * PAGE, 1));
    Ok(address)
}

/// Protects, then unmaps, many pages.
pub(crate) fn pages_unmap() -> i32 {
    let address = match touched(PAGES) {
        Ok(address) => address,
        Err(status) => return status,
    };
    let statuses = [
        protect(address, PAGES * PAGE, "r"),
        protect(address, PAGES * PAGE, "rw"),
        unmap(address, PAGES * PAGE),
    ];
    statuses.into_iter().find(|status| *status != 0).unwrap_or(0)
}

/// Ends with many pages.
pub(crate) fn pages_end() -> i32 {
    touched(PAGES).err().unwrap_or(0)
}

/// Creates the largest objects, a thousand times.
pub(crate) fn huge_objects() -> i32 {
    for _ in 0..1_000 {
        let (status, object) = create_object(64 << 30);
        if status != 0 {
            return status;
        }
        release(object);
    }
    0
}

static WORD: AtomicU32 = AtomicU32::new(0);
static READY: AtomicU32 = AtomicU32::new(0);

fn word() -> u64 {
    (&raw const WORD) as u64
}

/// Counts the calling thread.
fn count(word: &AtomicU32) {
    word.fetch_add(1, Ordering::Release);
    syscall(Syscall::FutexWake as u64, (&raw const *word) as u64, 1, 0);
}

/// Waits until this many threads have been counted.
fn until(word: &AtomicU32, count: u32) {
    loop {
        let counted = word.load(Ordering::Acquire);
        if counted >= count {
            return;
        }
        syscall(Syscall::FutexWait as u64, (&raw const *word) as u64, counted.into(), NO_DEADLINE);
    }
}

extern "sysv64" fn waits(_ring: u64, _argument: u64) -> ! {
    count(&READY);
    loop {
        syscall(Syscall::FutexWait as u64, word(), 0, NO_DEADLINE);
        if WORD.load(Ordering::Acquire) != 0 {
            syscall(Syscall::ThreadExit as u64, 0, 0, 0);
        }
    }
}

const STACK_BYTES: usize = 4096;

/// Stacks for many threads. To be allocated first, because heap growth uses the ring.
fn stacks(count: u32) -> &'static [u8] {
    vec![0_u8; count as usize * STACK_BYTES].leak()
}

/// Starts a thread on each of the stacks, and waits until all have been counted.
fn crowd(entry: crate::threads::Entry, stacks: &'static [u8]) -> Result<(), i32> {
    let mut count = 0;
    for stack in stacks.chunks_exact(STACK_BYTES) {
        start_on(stack, entry, 0)?;
        count += 1;
    }
    until(&READY, count);
    Ok(())
}

/// Wakes many threads at once, each of which ends.
pub(crate) fn crowd_wakes() -> i32 {
    if let Err(status) = crowd(waits, stacks(CROWD)) {
        return status;
    }
    WORD.store(1, Ordering::Release);
    let mut woken = 0;
    while woken < i64::from(CROWD) {
        woken += syscall(Syscall::FutexWake as u64, word(), u64::MAX, 0);
        syscall(Syscall::Yield as u64, 0, 0, 0);
    }
    0
}

/// Ends with many threads.
pub(crate) fn crowd_ends() -> i32 {
    crowd(waits, stacks(CROWD)).err().unwrap_or(0)
}

/// Number of sleeping threads, and of sleeps per thread.
const SLEEPERS: u32 = 200;
const SLEEPS: u32 = 60;

/// A message with one word: the wake-up time.
static UNTIL: [AtomicU64; 3] =
    [AtomicU64::new(0x0000_0002_0000_0000), AtomicU64::new(0x0000_0001_0000_0000), AtomicU64::new(0)];
/// Long enough for all to have started.
const PATIENCE_NS: u64 = 100_000_000;

/// Waits for many equal deadlines.
extern "sysv64" fn sleeps(ring: u64, _argument: u64) -> ! {
    let ring = Ring(ring);
    static ROOM: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
    for sleep in 1..=SLEEPS {
        ring.push(SubmissionEntry {
            send_address: UNTIL.as_ptr() as u64,
            send_length: 24,
            recv_address: (&raw const ROOM) as u64,
            recv_length: 16,
            ..call(grant(1), timer::Client::TYPE_ID, 1)
        });
        // The queue has space for half of them.
        if sleep % (SLEEPS / 2) == 0 {
            Ring::enter(SLEEPS / 2, 0);
        }
    }
    wait_and_end()
}

/// The end of such a thread: waits until all its operations have completed.
fn wait_and_end() -> ! {
    count(&READY);
    Ring::enter(0, SLEEPS);
    count(&WORD);
    loop {
        syscall(Syscall::ThreadExit as u64, 0, 0, 0);
    }
}

/// Many threads with many sleeps each, all of which end at the same time.
pub(crate) fn crowd_sleeps() -> i32 {
    let stacks = stacks(SLEEPERS);
    let mut message = Builder::new_default();
    message.init_root::<timer::now_params::Builder<'_>>();
    let mut results = [0_u64; 8];
    let (done, _) = invoke(grant(1), timer::Client::TYPE_ID, 0, &message, &mut results);
    if done.status != 0 {
        return done.status;
    }
    // Frame word, root pointer, then the results' single word.
    UNTIL[2].store(results[2] + PATIENCE_NS, Ordering::Relaxed);
    if let Err(status) = crowd(sleeps, stacks) {
        return status;
    }
    until(&WORD, SLEEPERS);
    0
}

/// A thread with the maximum number of calls, whose messages are unreadable, or of receives with unusable buffers.
extern "sysv64" fn fails(ring: u64, cap: u64) -> ! {
    const NOWHERE: u64 = 0x1000;
    let ring = Ring(ring);
    let receives = RECEIVES.load(Ordering::Acquire) != 0;
    for entry in 1..=SLEEPS {
        ring.push(if receives {
            SubmissionEntry {
                opcode: Opcode::Recv as u8,
                cap,
                recv_address: NOWHERE,
                recv_length: 64,
                ..Default::default()
            }
        } else {
            SubmissionEntry { send_address: NOWHERE, ..call(cap, 1, 0) }
        });
        if entry % (SLEEPS / 2) == 0 {
            Ring::enter(SLEEPS / 2, 0);
        }
    }
    wait_and_end()
}

static RECEIVES: AtomicU32 = AtomicU32::new(0);

/// Many threads whose operations at one endpoint all fail when a valid one arrives.
fn failing_crowd(stacks: &'static [u8], cap: u64, entry: SubmissionEntry) -> i32 {
    for stack in stacks.chunks_exact(STACK_BYTES) {
        if let Err(status) = start_on(stack, fails, cap) {
            return status;
        }
    }
    until(&READY, SLEEPERS);
    push(entry);
    if crate::raw::cap_enter(1, 0) < 0 {
        return 90;
    }
    until(&WORD, SLEEPERS);
    0
}

/// Receives at an endpoint with thousands of undeliverable calls.
pub(crate) fn bad_calls() -> i32 {
    let stacks = stacks(SLEEPERS);
    let (endpoint, client) = endpoint();
    let mut room = [0_u64; 8];
    failing_crowd(
        stacks,
        client,
        SubmissionEntry {
            opcode: Opcode::Recv as u8,
            cap: endpoint,
            recv_address: room.as_mut_ptr() as u64,
            recv_length: 64,
            ..Default::default()
        },
    )
}

/// Calls an endpoint with thousands of receives with unusable buffers.
pub(crate) fn bad_receives() -> i32 {
    let stacks = stacks(SLEEPERS);
    let (endpoint, client) = endpoint();
    RECEIVES.store(1, Ordering::Release);
    failing_crowd(stacks, endpoint, call(client, 1, 0))
}

/// Ends with the maximum number of calls of one thread, to a kernel object and to an endpoint.
pub(crate) fn calls_end() -> i32 {
    let (_, client) = endpoint();
    for _ in 0..30 {
        push(call(client, 1, 0));
        push(call(grant(0), console::Client::TYPE_ID, 2));
        if crate::raw::cap_enter(2, 0) < 0 {
            return 1;
        }
    }
    0
}
