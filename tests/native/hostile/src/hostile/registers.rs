//! Two processes alternate on the processor: one fills its registers, the other looks for values that it did not put
//! there.
#![expect(unsafe_code, reason = "registers are filled and read by instructions")]

use crate::raw::{exit, syscall};
use capos_abi::Syscall;
use core::arch::asm;

/// Number of checks: the first process gets a turn before each.
const LOOKS: u32 = 2000;
/// A user data segment, which every process may load.
const USER_DATA: u16 = 0x1b;

fn give_way() {
    syscall(Syscall::Yield as u64, 0, 0, 0);
}

pub(crate) fn leave_selectors() -> i32 {
    loop {
        // SAFETY: data segments have no effect in 64-bit mode. Loading FS clears its base, which thread-local variables
        // need; this code uses none, and the parent ends this process.
        unsafe {
            asm!("mov ds, {0:x}", "mov es, {0:x}", "mov fs, {0:x}", "mov gs, {0:x}", in(reg) USER_DATA,
                 options(nomem, nostack, preserves_flags));
        }
        give_way();
    }
}

pub(crate) fn find_selectors() -> i32 {
    for _ in 0..LOOKS {
        let (ds, es, fs, gs): (u64, u64, u64, u64);
        // SAFETY: only reads selectors.
        unsafe {
            asm!("mov {:r}, ds", "mov {:r}, es", "mov {:r}, fs", "mov {:r}, gs", out(reg) ds, out(reg) es,
                 out(reg) fs, out(reg) gs, options(nomem, nostack, preserves_flags));
        }
        if (ds | es | fs | gs) & 0xffff != 0 {
            exit(1);
        }
        give_way();
    }
    0
}

pub(crate) fn leave_values() -> i32 {
    loop {
        // SAFETY: fills registers that are declared as clobbered, and yields in between. Functions that return must
        // preserve the control words, but this one does not return.
        unsafe {
            asm!(
                "pcmpeqd xmm0, xmm0", "movdqa xmm5, xmm0", "movdqa xmm15, xmm0",
                "sub rsp, 16", "mov dword ptr [rsp], 0x7f80", "ldmxcsr [rsp]",
                "mov word ptr [rsp], 0x0f7f", "fldcw [rsp]", "fld1", "fstp qword ptr [rsp]", "add rsp, 16",
                "syscall",
                inlateout("rax") Syscall::Yield as u64 => _,
                out("rcx") _, out("rdx") _, out("rdi") _, out("rsi") _, out("r8") _, out("r9") _, out("r10") _,
                out("r11") _, out("xmm0") _, out("xmm5") _, out("xmm15") _,
            );
        }
    }
}

#[repr(C, align(16))]
struct Saved([u8; 512]);

impl Saved {
    fn word(&self, at: usize) -> u64 {
        self.0.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(u64::MAX, u64::from_le_bytes)
    }
}

pub(crate) fn find_values() -> i32 {
    for _ in 0..LOOKS {
        let mut saved = Saved([0xff; 512]);
        // SAFETY: clears registers that are declared as clobbered, yields, and writes 512 bytes to an aligned buffer of
        // that size.
        unsafe {
            asm!(
                "pxor xmm0, xmm0", "pxor xmm5, xmm5", "pxor xmm15, xmm15",
                "syscall",
                "fxsave64 [{saved}]",
                saved = in(reg) saved.0.as_mut_ptr(),
                inlateout("rax") Syscall::Yield as u64 => _,
                out("rcx") _, out("rdx") _, out("rdi") _, out("rsi") _, out("r8") _, out("r9") _, out("r10") _,
                out("r11") _, out("xmm0") _, out("xmm5") _, out("xmm15") _,
            );
        }
        // Control word and MXCSR at their initial values, no last instruction, vector registers unchanged.
        let control = saved.word(0) & 0xffff == 0x037f && saved.word(24) & 0xffff_ffff == 0x1f80;
        let pointers = saved.word(8) | saved.word(16);
        let vectors = [160, 240, 400].map(|at| saved.word(at) | saved.word(at + 8));
        if !control || pointers != 0 || vectors != [0; 3] {
            exit(1);
        }
    }
    0
}
