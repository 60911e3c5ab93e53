//! Threads that are always ready to run, and switch to each other.

use crate::calls::invoke;
use crate::handles::derive;
use crate::raw::{bootstrap, exit, run, syscall};
use crate::threads::{Ring, start};
use capnp::message::Builder;
use capnp::traits::HasTypeId;
use capos_abi::{NO_DEADLINE, Opcode, RING_AREA, Rights, SubmissionEntry, SubmissionFlags, Syscall};
use capos_schema::endpoint_capnp::endpoint_factory;
use core::sync::atomic::{AtomicU32, Ordering};

/// Loops without end.
pub(crate) fn spin() -> i32 {
    // No pause hint: an emulator that counts instructions would be slow.
    let mut count = 0_u64;
    loop {
        count = core::hint::black_box(count.wrapping_add(1));
    }
}

/// An endpoint, and a client capability to it.
pub(crate) fn endpoint() -> (u64, u64) {
    let mut message = Builder::new_default();
    message.init_root::<endpoint_factory::create_params::Builder<'_>>();
    let factory = bootstrap().endpoint_factory;
    let (done, endpoint) = invoke(factory, endpoint_factory::Client::TYPE_ID, 0, &message, &mut [0_u64; 64]);
    if done.status != 0 {
        exit(100 + done.status);
    }
    let minted = run(SubmissionEntry {
        flags: SubmissionFlags::MINT.bits(),
        badge: 1,
        ..derive(endpoint, Rights::CALL | Rights::TRANSFER)
    });
    if minted.status != 0 {
        exit(100 + minted.status);
    }
    (endpoint, minted.token)
}

/// One thread calls, the other replies and receives again in one kernel entry, without end.
pub(crate) fn call_pong() -> i32 {
    let (endpoint, client) = endpoint();
    if let Err(status) = start(calls_for_ever, client) {
        return status;
    }
    let ring = Ring(RING_AREA);
    let receive = SubmissionEntry { opcode: Opcode::Recv as u8, cap: endpoint, ..Default::default() };
    ring.push(receive);
    Ring::enter(1, 1);
    loop {
        let Some(call) = ring.pop().filter(|call| call.status == 0) else { return 98 };
        ring.push(SubmissionEntry {
            opcode: Opcode::Return as u8,
            flags: SubmissionFlags::QUIET.bits(),
            token: call.token,
            ..Default::default()
        });
        ring.push(receive);
        Ring::enter(2, 1);
    }
}

extern "sysv64" fn calls_for_ever(ring: u64, client: u64) -> ! {
    let ring = Ring(ring);
    loop {
        ring.push(SubmissionEntry {
            opcode: Opcode::Call as u8,
            cap: client,
            interface: 1,
            ..Default::default()
        });
        Ring::enter(1, 1);
        if ring.pop().is_none_or(|done| done.status != 0) {
            exit(97);
        }
    }
}

static TURN: AtomicU32 = AtomicU32::new(0);

/// Two threads wake each other without end.
pub(crate) fn futex_pong() -> i32 {
    extern "sysv64" fn other(_ring: u64, me: u64) -> ! {
        play(me as u32)
    }
    match start(other, 1) {
        Ok(()) => play(0),
        Err(status) => status,
    }
}

fn play(me: u32) -> ! {
    let word = (&raw const TURN) as u64;
    loop {
        while TURN.load(Ordering::Acquire) != me {
            syscall(Syscall::FutexWait as u64, word, u64::from(1 - me), NO_DEADLINE);
        }
        TURN.store(1 - me, Ordering::Release);
        syscall(Syscall::FutexWake as u64, word, 1, 0);
    }
}
