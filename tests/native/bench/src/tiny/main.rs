//! The smallest program: reads its Timer's time as its very first act and exits with it. No runtime and no
//! standard library, so that only the kernel's part of a start is measured.
#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "a program without a runtime speaks the binary contract itself")]

use capos_abi::{
    BootstrapHeader, COMPLETION_OFFSET, NO_DEADLINE, Opcode, RingHeader, SUBMISSION_OFFSET, SubmissionEntry,
    Syscall,
};
use core::arch::asm;
use core::sync::atomic::Ordering;

/// `Timer`'s type id and the number of `now`, as in `schema/timer.capnp`.
///
/// The numbers come from the build script: the generated code would pull in the standard library whenever another
/// package of the same build enables that feature.
const TIMER: u64 = number(env!("TIMER_TYPE_ID"));
const NOW: u16 = number(env!("TIMER_NOW")) as u16;

/// A number that the build script wrote.
const fn number(text: &str) -> u64 {
    match u64::from_str_radix(text, 16) {
        Ok(number) => number,
        Err(_) => panic!("the build script wrote no number"),
    }
}

/// An empty parameter message: one segment of one word, a null root pointer.
static PARAMS: [u64; 2] = [1 << 32, 0];

fn syscall(call: Syscall, first: u64, second: u64, third: u64) -> i64 {
    let result;
    // SAFETY: the kernel preserves every register not named here; the memory behind the entries outlives the
    // call.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") call as u64 => result,
            inlateout("rdi") first => _, inlateout("rsi") second => _, inlateout("rdx") third => _,
            out("rcx") _, out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            options(nostack),
        );
    }
    result
}

/// The entry point: the ring in the first argument, the bootstrap header in the second.
///
/// # Safety
/// Only the kernel may call this, with the addresses that it mapped.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _start(ring: *mut u8, bootstrap: *const BootstrapHeader) -> ! {
    let mut results = [0_u64; 32];
    // SAFETY: the kernel mapped the bootstrap pages, with one grant (the Timer) in their table.
    let timer = unsafe {
        let grants = bootstrap.cast::<u8>().add((*bootstrap).grants_offset as usize);
        grants.cast::<u64>().read()
    };
    let entry = SubmissionEntry {
        opcode: Opcode::Call as u8,
        method: NOW,
        cap: timer,
        interface: TIMER,
        send_address: (&raw const PARAMS) as u64,
        send_length: 16,
        recv_address: (&raw mut results) as u64,
        recv_length: 256,
        ..SubmissionEntry::default()
    };
    // SAFETY: a fresh ring is empty, so its first slot is free; the header contains only atomics.
    unsafe {
        ring.add(SUBMISSION_OFFSET).cast::<SubmissionEntry>().write_volatile(entry);
        (*ring.cast::<RingHeader>()).submission_tail.store(1, Ordering::Release);
    }
    syscall(Syscall::CapEnter, 1, 1, NO_DEADLINE);
    // SAFETY: the completion's status is at a fixed offset in the first slot, which the kernel has written.
    let status = unsafe { ring.add(COMPLETION_OFFSET + 8).cast::<i32>().read_volatile() };
    // SAFETY: `results` is live; volatile because the kernel wrote it. Frame, root pointer, then `nanoseconds`.
    let now = unsafe { (&raw const results).cast::<u64>().add(2).read_volatile() };
    let answer = if status == 0 { now & 0x7fff_ffff } else { 0 };
    loop {
        syscall(Syscall::ProcessExit, answer, 0, 0);
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        syscall(Syscall::ProcessExit, 0, 0, 0);
    }
}
