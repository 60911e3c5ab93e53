//! The upper halves of the vector registers (AVX), on processors that have them: between processes, and through faults and
//! alarms.
#![expect(unsafe_code, reason = "registers are filled and read by instructions")]

use crate::alarms;
use crate::handler::{count, handle};
use crate::raw::{exit, syscall};
use capos_abi::Syscall;
use core::arch::{asm, naked_asm};

/// Number of checks: the first process gets a turn before each.
const LOOKS: u32 = 2000;
const BREAKPOINT: u64 = 3;

/// Sixteen registers of 32 bytes.
type Registers = [u64; 64];

/// Whether programs can use these registers.
fn has_avx() -> bool {
    std::is_x86_feature_detected!("avx")
}

/// Faults only without AVX.
pub(crate) fn vector_extension() -> i32 {
    // SAFETY: clears a register that is declared as clobbered, or faults.
    unsafe { asm!("vxorps ymm0, ymm0, ymm0", out("xmm0") _) };
    if has_avx() { 0 } else { 1 }
}

pub(crate) fn leave_upper_halves() -> i32 {
    if !has_avx() {
        crate::processor::wait_for_ever();
    }
    loop {
        // SAFETY: AVX is there. Fills registers that are declared as clobbered, and yields in between.
        unsafe {
            asm!(
                "pcmpeqd xmm0, xmm0", "vinsertf128 ymm0, ymm0, xmm0, 1",
                "vmovaps ymm5, ymm0", "vmovaps ymm15, ymm0",
                "syscall",
                inlateout("rax") Syscall::Yield as u64 => _,
                out("rcx") _, out("rdx") _, out("rdi") _, out("rsi") _, out("r8") _, out("r9") _, out("r10") _,
                out("r11") _, out("xmm0") _, out("xmm5") _, out("xmm15") _,
            );
        }
    }
}

/// This process has no values in the upper halves at first, then its own.
pub(crate) fn find_upper_halves() -> i32 {
    if !has_avx() {
        return 0;
    }
    for look in 0..LOOKS {
        let own = if look < LOOKS / 2 { 0 } else { u64::from(look) };
        let mut found = [u64::MAX; 12];
        // SAFETY: AVX is there. Sets registers that are declared as clobbered, yields, and writes 96 bytes to the array.
        unsafe {
            asm!(
                "test {own}, {own}",
                "jz 2f",
                "movq xmm0, {own}", "vinsertf128 ymm0, ymm0, xmm0, 1",
                "vmovaps ymm5, ymm0", "vmovaps ymm15, ymm0",
                "jmp 3f",
                "2: vzeroall",
                "3: syscall",
                "vmovups [{found}], ymm0", "vmovups [{found} + 32], ymm5", "vmovups [{found} + 64], ymm15",
                "vzeroupper",
                own = in(reg) own,
                found = in(reg) found.as_mut_ptr(),
                inlateout("rax") Syscall::Yield as u64 => _,
                out("rcx") _, out("rdx") _, out("rdi") _, out("rsi") _, out("r8") _, out("r9") _, out("r10") _,
                out("r11") _, out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _,
                out("xmm5") _, out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _,
                out("xmm11") _, out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            );
        }
        if core::hint::black_box(found) != [own, 0, own, 0, own, 0, own, 0, own, 0, own, 0] {
            exit(1);
        }
    }
    0
}

pub(crate) fn upper_halves_through_alarms() -> i32 {
    if !has_avx() {
        return 0;
    }
    alarms::prepare();
    alarms::compare(|rounds| mixed(rounds / 4, 0))
}

pub(crate) fn upper_halves_through_faults() -> i32 {
    const ROUNDS: u64 = 1000;
    if !has_avx() {
        return 0;
    }
    let alone = mixed(ROUNDS, 0);
    handle(|frame| {
        if frame.vector != BREAKPOINT {
            exit(2);
        }
    });
    let interrupted = mixed(ROUNDS, 1);
    i32::from(alone != interrupted || u64::from(count()) != ROUNDS)
}

/// The same in two threads at once, which take turns.
pub(crate) fn upper_halves_of_threads() -> i32 {
    const ROUNDS: u64 = 50_000;
    if !has_avx() {
        return 0;
    }
    let expected = mixed(ROUNDS, 0);
    let other = std::thread::spawn(move || (0..4).all(|_| mixed(ROUNDS, 0) == expected));
    let own = (0..4).all(|_| {
        syscall(Syscall::Yield as u64, 0, 0, 0);
        mixed(ROUNDS, 0) == expected
    });
    i32::from(!own || !other.join().unwrap_or(false))
}

/// A computation on all vector registers, of `rounds` rounds, each with a breakpoint if `breaks` is not 0.
fn mixed(rounds: u64, breaks: u64) -> Registers {
    let mut registers = core::array::from_fn(|word| (word as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    // SAFETY: AVX is there. The function changes only the array, and registers that need not be preserved.
    unsafe { mix(rounds, breaks, &mut registers) };
    registers
}

#[unsafe(naked)]
unsafe extern "sysv64" fn mix(_rounds: u64, _breaks: u64, _registers: &mut Registers) {
    naked_asm!(
        "vmovups ymm0, [rdx + 0]",
        "vmovups ymm1, [rdx + 32]",
        "vmovups ymm2, [rdx + 64]",
        "vmovups ymm3, [rdx + 96]",
        "vmovups ymm4, [rdx + 128]",
        "vmovups ymm5, [rdx + 160]",
        "vmovups ymm6, [rdx + 192]",
        "vmovups ymm7, [rdx + 224]",
        "vmovups ymm8, [rdx + 256]",
        "vmovups ymm9, [rdx + 288]",
        "vmovups ymm10, [rdx + 320]",
        "vmovups ymm11, [rdx + 352]",
        "vmovups ymm12, [rdx + 384]",
        "vmovups ymm13, [rdx + 416]",
        "vmovups ymm14, [rdx + 448]",
        "vmovups ymm15, [rdx + 480]",
        "2:",
        "vperm2f128 ymm0, ymm0, ymm0, 1",
        "vxorps ymm0, ymm0, ymm1",
        "vxorps ymm1, ymm1, ymm2",
        "vperm2f128 ymm2, ymm2, ymm2, 1",
        "vxorps ymm2, ymm2, ymm3",
        "vxorps ymm3, ymm3, ymm4",
        "vperm2f128 ymm4, ymm4, ymm4, 1",
        "vxorps ymm4, ymm4, ymm5",
        "vxorps ymm5, ymm5, ymm6",
        "vperm2f128 ymm6, ymm6, ymm6, 1",
        "vxorps ymm6, ymm6, ymm7",
        "vxorps ymm7, ymm7, ymm8",
        "vperm2f128 ymm8, ymm8, ymm8, 1",
        "vxorps ymm8, ymm8, ymm9",
        "vxorps ymm9, ymm9, ymm10",
        "vperm2f128 ymm10, ymm10, ymm10, 1",
        "vxorps ymm10, ymm10, ymm11",
        "vxorps ymm11, ymm11, ymm12",
        "vperm2f128 ymm12, ymm12, ymm12, 1",
        "vxorps ymm12, ymm12, ymm13",
        "vxorps ymm13, ymm13, ymm14",
        "vpermilps ymm14, ymm14, 0x1b",
        "vxorps ymm14, ymm14, ymm15",
        "vxorps ymm15, ymm15, ymm0",
        "test rsi, rsi",
        "jz 3f",
        "int3",
        "3: dec rdi",
        "jnz 2b",
        "vmovups [rdx + 0], ymm0",
        "vmovups [rdx + 32], ymm1",
        "vmovups [rdx + 64], ymm2",
        "vmovups [rdx + 96], ymm3",
        "vmovups [rdx + 128], ymm4",
        "vmovups [rdx + 160], ymm5",
        "vmovups [rdx + 192], ymm6",
        "vmovups [rdx + 224], ymm7",
        "vmovups [rdx + 256], ymm8",
        "vmovups [rdx + 288], ymm9",
        "vmovups [rdx + 320], ymm10",
        "vmovups [rdx + 352], ymm11",
        "vmovups [rdx + 384], ymm12",
        "vmovups [rdx + 416], ymm13",
        "vmovups [rdx + 448], ymm14",
        "vmovups [rdx + 480], ymm15",
        "vzeroupper",
        "ret",
    );
}
