//! System calls.
#![expect(unsafe_code, reason = "system calls and two registers have no safe form")]

use capos_abi::Syscall;
use core::arch::asm;
use core::sync::atomic::AtomicU32;

/// The kernel connection: there is only one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Port;

/// Makes any system call, defined or not.
///
/// # Safety
/// Addresses among the arguments must refer to memory that the named call may read or write as documented.
#[inline]
pub unsafe fn raw_syscall(number: u64, a: u64, b: u64, c: u64) -> i64 {
    let result: i64;
    // SAFETY: the instruction enters the kernel, which preserves everything but the registers named here; the
    // memory behind the arguments is valid by this function's contract.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as i64 => result,
            inlateout("rdi") a => _,
            inlateout("rsi") b => _,
            inlateout("rdx") c => _,
            out("rcx") _, out("r11") _, out("r8") _, out("r9") _, out("r10") _,
            options(nostack),
        );
    }
    result
}

/// Submits entries of the calling thread's ring and waits for completions. See [`Syscall::CapEnter`].
#[inline]
pub fn cap_enter(_port: &Port, submit: u32, wait_for: u32, deadline_ns: u64) -> i64 {
    // SAFETY: no argument is an address. The memory of submitted entries is covered by the contract of pushing
    // them.
    unsafe { raw_syscall(Syscall::CapEnter as u64, u64::from(submit), u64::from(wait_for), deadline_ns) }
}

/// Ends the calling thread; the kernel then stores 0 in `done` and wakes its waiters.
pub fn thread_exit(done: &'static AtomicU32) -> ! {
    // SAFETY: `done` is valid for ever, and this thread executes nothing after the call.
    unsafe { raw_syscall(Syscall::ThreadExit as u64, done.as_ptr() as u64, 0, 0) };
    abort()
}

/// Ends the process with `status`.
pub fn process_exit(status: i32) -> ! {
    // SAFETY: no argument is an address.
    unsafe { raw_syscall(Syscall::ProcessExit as u64, i64::from(status) as u64, 0, 0) };
    abort()
}

/// Waits while `word` holds `expected`, until woken or the deadline. Returns 0 or a negated error code.
#[inline]
pub fn futex_wait(word: &AtomicU32, expected: u32, deadline_ns: u64) -> i64 {
    // SAFETY: `word` is a live, aligned word.
    unsafe { raw_syscall(Syscall::FutexWait as u64, word.as_ptr() as u64, u64::from(expected), deadline_ns) }
}

/// Wakes up to `count` waiters on the word at `address`, which is only compared with theirs.
#[inline]
pub fn futex_wake(address: *const u32, count: u32) -> i64 {
    // SAFETY: the kernel uses the address as a key and checks it itself.
    unsafe { raw_syscall(Syscall::FutexWake as u64, address as u64, u64::from(count), 0) }
}

/// Lets other threads run.
pub fn yield_now() {
    // SAFETY: no arguments.
    unsafe { raw_syscall(Syscall::Yield as u64, 0, 0, 0) };
}

/// Sets the calling thread's alarm. See [`Syscall::SetAlarm`].
#[inline]
pub(crate) fn set_alarm(deadline_ns: u64) {
    // SAFETY: no argument is an address.
    unsafe { raw_syscall(Syscall::SetAlarm as u64, deadline_ns, 0, 0) };
}

/// Reads the time-stamp counter.
///
/// # Safety
/// The process must have obtained a time page from a Timer; otherwise this faults.
#[inline]
pub(crate) unsafe fn read_time_stamp() -> u64 {
    // SAFETY: the caller has the permission, by this function's contract.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Sets the FS base.
///
/// # Safety
/// `pointer` must be the thread pointer of a thread-local block with the layout of the program's PT_TLS,
/// which no other thread uses.
#[inline]
pub(crate) unsafe fn set_thread_pointer(pointer: u64) {
    // SAFETY: the kernel enables FSGSBASE for user code; the block is valid by this function's contract.
    unsafe { asm!("wrfsbase {}", in(reg) pointer, options(nostack, preserves_flags)) };
}

/// Reached only if the kernel returns from a call that ends the caller.
fn abort() -> ! {
    // SAFETY: an undefined instruction faults, which ends the process as intended.
    unsafe { asm!("ud2", options(noreturn, nomem, nostack)) };
}
