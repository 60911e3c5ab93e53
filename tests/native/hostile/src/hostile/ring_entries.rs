//! Invalid entries, and forged ring indices.

use crate::raw::{cap_enter, exit, pop, push, ring, run, syscall};
use capos_abi::{COMPLETION_ENTRIES, Opcode, SUBMISSION_ENTRIES, SubmissionEntry};
use core::sync::atomic::Ordering;

fn nop() -> SubmissionEntry {
    SubmissionEntry { opcode: Opcode::Nop as u8, ..Default::default() }
}

pub(crate) fn bad_syscall() -> i32 {
    error_of(syscall(999, 1, 2, 3))
}

pub(crate) fn bad_syscall_huge() -> i32 {
    error_of(syscall(u64::MAX, u64::MAX, u64::MAX, u64::MAX))
}

/// Waiting for more completions than the queue can hold could never succeed.
pub(crate) fn wait_for_too_many() -> i32 {
    error_of(cap_enter(0, COMPLETION_ENTRIES + 1))
}

/// The submission tail is ahead of the head by more than the queue's length.
pub(crate) fn submission_tail_ahead() -> i32 {
    let head = ring().submission_head.load(Ordering::Relaxed);
    ring().submission_tail.store(head.wrapping_add(SUBMISSION_ENTRIES + 1), Ordering::Release);
    error_of(cap_enter(1, 0))
}

/// The submission tail is behind the head.
pub(crate) fn submission_tail_behind() -> i32 {
    let head = ring().submission_head.load(Ordering::Relaxed);
    ring().submission_tail.store(head.wrapping_sub(1), Ordering::Release);
    error_of(cap_enter(1, 0))
}

/// The completion head is ahead of what the kernel has written.
pub(crate) fn completion_head_ahead() -> i32 {
    let tail = ring().completion_tail.load(Ordering::Relaxed);
    ring().completion_head.store(tail.wrapping_add(7), Ordering::Release);
    push(nop());
    error_of(cap_enter(1, 0))
}

/// Userspace overwrites the index that only the kernel writes; the kernel must use its own copy.
pub(crate) fn kernel_index_overwritten() -> i32 {
    ring().completion_tail.store(0xdead_beef, Ordering::Release);
    ring().submission_head.store(0xdead_beef, Ordering::Release);
    let first = cap_enter(0, 0);
    // Whatever the kernel did, it must still answer system calls of this process.
    let second = cap_enter(0, 0);
    if first == second { 0 } else { 1 }
}

pub(crate) fn bad_opcode() -> i32 {
    run(SubmissionEntry { opcode: 200, ..Default::default() }).status
}

pub(crate) fn bad_flags() -> i32 {
    run(SubmissionEntry { flags: 0x80, ..nop() }).status
}

pub(crate) fn reserved_field() -> i32 {
    run(SubmissionEntry { reserved: [0, 1, 0], ..nop() }).status
}

pub(crate) fn unknown_reply_token() -> i32 {
    run(SubmissionEntry { opcode: Opcode::Return as u8, token: 0x0001_0000_0003, ..Default::default() })
        .status
}

pub(crate) fn cancel_of_nothing() -> i32 {
    run(SubmissionEntry { opcode: Opcode::Cancel as u8, token: 77, ..Default::default() }).status
}

/// A completion queue that is never read: the kernel must stop taking entries, not lose completions.
pub(crate) fn completions_never_read() -> i32 {
    let mut taken = 0_u32;
    loop {
        let before = ring().submission_head.load(Ordering::Acquire);
        push(SubmissionEntry { user_data: u64::from(taken), ..nop() });
        let result = cap_enter(1, 0);
        if result < 0 {
            exit(error_of(result));
        }
        if ring().submission_head.load(Ordering::Acquire) == before {
            break;
        }
        taken += 1;
        if taken > COMPLETION_ENTRIES {
            return 1;
        }
    }
    let mut seen = 0_u64;
    while let Some(completion) = pop() {
        if completion.user_data != seen {
            return 2;
        }
        seen += 1;
    }
    if seen == u64::from(taken) && taken >= COMPLETION_ENTRIES / 2 { 0 } else { 3 }
}

/// The error number of a negative result; 0 for success.
pub(crate) fn error_of(result: i64) -> i32 {
    if result < 0 { i32::try_from(-result).unwrap_or(254) } else { 0 }
}
