//! The bare binary contract: system calls and the main thread's ring, unchecked.
//!
//! A hostile program must be able to make requests that the runtime would never make, so it bypasses the
//! runtime. After the first raw operation a case must end through [`exit`], because the runtime's own view of
//! the ring is stale from then on.
#![expect(unsafe_code, reason = "a hostile program speaks the binary contract directly")]

use capos_abi::{
    BOOTSTRAP_ADDRESS, BootstrapHeader, COMPLETION_ENTRIES, COMPLETION_OFFSET, CompletionEntry, NO_DEADLINE,
    RING_AREA, RingHeader, SUBMISSION_ENTRIES, SUBMISSION_OFFSET, SubmissionEntry, Syscall,
};
use core::arch::asm;
use core::sync::atomic::Ordering;

/// Any system call number with any arguments.
pub(crate) fn syscall(number: u64, first: u64, second: u64, third: u64) -> i64 {
    let result;
    // SAFETY: the kernel preserves every register not named here. A call may corrupt this process's memory,
    // which is the purpose of the test; the process is discarded afterwards.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            inlateout("rdi") first => _,
            inlateout("rsi") second => _,
            inlateout("rdx") third => _,
            out("rcx") _, out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            options(nostack),
        );
    }
    result
}

/// Ends the process at once.
pub(crate) fn exit(status: i32) -> ! {
    syscall(Syscall::ProcessExit as u64, i64::from(status) as u64, 0, 0);
    // Reached only if the kernel lets a process continue after its end.
    loop {
        syscall(Syscall::Yield as u64, 0, 0, 0);
    }
}

/// `cap_enter` with no deadline.
pub(crate) fn cap_enter(submit: u32, wait_for: u32) -> i64 {
    syscall(Syscall::CapEnter as u64, u64::from(submit), u64::from(wait_for), NO_DEADLINE)
}

/// The main thread's ring indices.
pub(crate) fn ring() -> &'static RingHeader {
    // SAFETY: the kernel maps the first thread's ring at this fixed address for the life of the process, and
    // all its fields are atomics.
    unsafe { &*(RING_AREA as *const RingHeader) }
}

/// Writes an entry at the submission tail and advances the tail.
pub(crate) fn push(entry: SubmissionEntry) {
    let tail = ring().submission_tail.load(Ordering::Relaxed);
    let slot = (tail % SUBMISSION_ENTRIES) as usize;
    let entries = (RING_AREA as usize + SUBMISSION_OFFSET) as *mut SubmissionEntry;
    // SAFETY: `slot` is within the ring's entries; volatile because the kernel reads it.
    unsafe { entries.add(slot).write_volatile(entry) };
    ring().submission_tail.store(tail.wrapping_add(1), Ordering::Release);
}

/// The next unread completion, if there is one.
pub(crate) fn pop() -> Option<CompletionEntry> {
    let head = ring().completion_head.load(Ordering::Relaxed);
    if head == ring().completion_tail.load(Ordering::Acquire) {
        return None;
    }
    let slot = (head % COMPLETION_ENTRIES) as usize;
    let entries = (RING_AREA as usize + COMPLETION_OFFSET) as *const CompletionEntry;
    // SAFETY: `slot` is within the ring's entries; volatile because the kernel writes it.
    let entry = unsafe { entries.add(slot).read_volatile() };
    ring().completion_head.store(head.wrapping_add(1), Ordering::Release);
    Some(entry)
}

/// Submits one entry and waits for its completion. A failing `cap_enter` ends the process with its error.
pub(crate) fn run(entry: SubmissionEntry) -> CompletionEntry {
    push(entry);
    let result = cap_enter(1, 1);
    if result < 0 {
        exit(i32::try_from(-result).unwrap_or(254));
    }
    pop().unwrap_or_else(|| exit(253))
}

/// The header of the bootstrap pages.
pub(crate) fn bootstrap() -> &'static BootstrapHeader {
    // SAFETY: the kernel maps the bootstrap pages read-only at this fixed address for the life of the process.
    unsafe { &*(BOOTSTRAP_ADDRESS as *const BootstrapHeader) }
}

/// The raw handle of the grant at `index`, in the order of the start.
pub(crate) fn grant(index: u32) -> u64 {
    let header = bootstrap();
    if index >= header.grant_count {
        exit(252);
    }
    let table = (BOOTSTRAP_ADDRESS + u64::from(header.grants_offset)) as *const u64;
    // SAFETY: the table has `grant_count` entries and the index was compared with it.
    unsafe { table.add(index as usize).read() }
}

/// Reads one byte at an arbitrary address.
pub(crate) fn peek(address: u64) -> u8 {
    // SAFETY: deliberately unsound: either the page is readable or this process ends with a fault.
    unsafe { (address as *const u8).read_volatile() }
}

/// Writes one byte at an arbitrary address.
pub(crate) fn poke(address: u64, value: u8) {
    // SAFETY: as for `peek`.
    unsafe { (address as *mut u8).write_volatile(value) }
}

/// Jumps to an arbitrary address.
pub(crate) fn jump(address: u64) -> ! {
    // SAFETY: as for `peek`; control does not return.
    unsafe { asm!("jmp {}", in(reg) address, options(noreturn)) }
}

/// Calls a function without arguments at an arbitrary address.
pub(crate) fn call_code(address: u64) -> i32 {
    let result: i32;
    // SAFETY: deliberately unsound: either there is code that returns a number, or this process ends with a fault.
    unsafe { asm!("call {}", in(reg) address, out("eax") result, clobber_abi("sysv64")) };
    result
}
