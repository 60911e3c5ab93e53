//! Isolation between processes on one processor beyond page tables and saved registers: registers that are not part of
//! the saved state, and predictors and buffers that leak through timing.

use super::cpu;
use core::{
    arch::{
        asm,
        x86_64::{__cpuid, __cpuid_count},
    },
    sync::atomic::{AtomicU8, Ordering},
};
use x86_64::registers::{
    control::{Efer, EferFlags},
    model_specific::Msr,
};

/// The flushes performed at a process switch.
static FLUSHES: AtomicU8 = AtomicU8::new(0);
/// Branch predictors, by IBPB, and return predictions, by overwriting them.
const PREDICTORS: u8 = 1 << 0;
/// Fill, store and load-port buffers, by VERW.
const BUFFERS: u8 = 1 << 1;

const SPEC_CTRL: u32 = 0x48;
const PRED_CMD: u32 = 0x49;
const ARCH_CAPABILITIES: u32 = 0x10a;
const TSC_AUX: u32 = 0xc000_0103;
/// CPUID leaf 7, EDX: VERW clears buffers, IBRS and IBPB exist, ARCH_CAPABILITIES exists.
const MD_CLEAR: u32 = 1 << 10;
const SPECULATION_CONTROL: u32 = 1 << 26;
const HAS_CAPABILITIES: u32 = 1 << 29;
/// CPUID leaf 0x8000_0008, EBX: IBPB exists.
const AMD_IBPB: u32 = 1 << 12;
/// CPUID leaf 0x8000_0021, EAX: automatic IBRS exists.
const HAS_AUTOMATIC_IBRS: u32 = 1 << 8;
/// CPUID leaf 0x8000_0001, EDX, and leaf 7, ECX: RDTSCP and RDPID exist, which expose TSC_AUX to programs.
const RDTSCP: u32 = 1 << 27;
const RDPID: u32 = 1 << 22;
/// `SPEC_CTRL`: the kernel ignores branch predictions trained in user mode.
const IBRS: u64 = 1 << 0;
/// `PRED_CMD`: flush branch predictions.
const IBPB: u64 = 1 << 0;
/// `ARCH_CAPABILITIES`: not vulnerable to Meltdown.
const RDCL_NO: u64 = 1 << 0;
/// `ARCH_CAPABILITIES`: IBRS can stay on.
const IBRS_ALL: u64 = 1 << 1;
const AUTOMATIC_IBRS: EferFlags = EferFlags::from_bits_retain(1 << 21);

/// Enables the processor's mitigations, and logs vulnerabilities without one.
pub(super) fn init() {
    let (structured, extended) = (__cpuid_count(7, 0), __cpuid(0x8000_0001));
    let has_aux = extended.edx & RDTSCP != 0 || structured.ecx & RDPID != 0;
    // SAFETY: RDTSCP or RDPID exists, and with it this register, which the kernel does not use.
    unsafe {
        if has_aux {
            Msr::new(TSC_AUX).write(0);
        }
    }

    // SAFETY: the register exists if this bit is set.
    let capabilities = unsafe {
        if structured.edx & HAS_CAPABILITIES != 0 { Msr::new(ARCH_CAPABILITIES).read() } else { 0 }
    };
    let last_extended = __cpuid(0x8000_0000).eax;
    let amd = last_extended >= 0x8000_0008 && __cpuid(0x8000_0008).ebx & AMD_IBPB != 0;
    let intel = structured.edx & SPECULATION_CONTROL != 0;
    let mut flushes = 0;
    if amd || intel {
        flushes |= PREDICTORS;
    }
    if structured.edx & MD_CLEAR != 0 {
        flushes |= BUFFERS;
    }
    FLUSHES.store(flushes, Ordering::Relaxed);

    let automatic = last_extended >= 0x8000_0021 && __cpuid(0x8000_0021).eax & HAS_AUTOMATIC_IBRS != 0;
    let keeps_apart = if automatic {
        // SAFETY: the processor has this bit, which only restricts speculation.
        unsafe { Efer::write(Efer::read() | AUTOMATIC_IBRS) };
        true
    } else if intel && capabilities & IBRS_ALL != 0 {
        // SAFETY: the register exists with the feature, and the bit only restricts speculation.
        unsafe { Msr::new(SPEC_CTRL).write(IBRS) };
        true
    } else {
        false
    };
    log(flushes, keeps_apart, cpu::is_intel() && capabilities & RDCL_NO == 0);
}

fn log(flushes: u8, keeps_apart: bool, melts_down: bool) {
    let state = |on| if on { "on" } else { "not available" };
    crate::klog!(
        "speculation: branch predictor flush {}, buffer flush {}, kernel branch isolation {}",
        state(flushes & PREDICTORS != 0),
        state(flushes & BUFFERS != 0),
        state(keeps_apart)
    );
    if melts_down {
        crate::klog!(
            "speculation: this processor may let programs read all memory (Meltdown); see docs/security.md"
        );
    }
}

/// Clears the segment selectors that another process's thread left in the processor, which clears the base of FS, and replaces
/// the user's GS base. Returns that of the thread that left.
#[inline(always)]
pub(super) fn replace_gs(entered: u64) -> u64 {
    let left;
    // SAFETY: the kernel uses none of these selectors, and null selectors can always be loaded. Loading GS may clear the
    // active base, so it happens while the user's is active and before that is written. Nothing between the two SWAPGS uses
    // GS; interrupts are off. The base was read from the register before or is 0.
    unsafe {
        asm!(
            "swapgs",
            "rdgsbase {left}",
            "mov {a:e}, ds",
            "mov {b:e}, es",
            "or {a:e}, {b:e}",
            "mov {b:e}, fs",
            "or {a:e}, {b:e}",
            "mov {b:e}, gs",
            "or {a:e}, {b:e}",
            "jz 2f",
            "xor {a:e}, {a:e}",
            "mov ds, {a:e}",
            "mov es, {a:e}",
            "mov fs, {a:e}",
            "mov gs, {a:e}",
            "2: wrgsbase {entered}",
            "swapgs",
            left = out(reg) left,
            entered = in(reg) entered,
            a = out(reg) _,
            b = out(reg) _,
            options(nostack),
        );
    }
    left
}

/// Clears what another process's thread left in the processor's predictors and buffers, where that is necessary.
#[inline(always)]
pub(super) fn leave_process() {
    let flushes = FLUSHES.load(Ordering::Relaxed);
    if flushes != 0 {
        flush(flushes);
    }
}

#[cold]
fn flush(flushes: u8) {
    if flushes & PREDICTORS != 0 {
        // SAFETY: `init` found that the processor supports this command.
        unsafe { Msr::new(PRED_CMD).write(IBPB) };
        overwrite_return_predictions();
    }
    if flushes & BUFFERS != 0 {
        super::tables::verify_write();
    }
}

/// Fills the 32 entries of the return predictor with kernel addresses at which speculation stops.
fn overwrite_return_predictions() {
    // SAFETY: each CALL pushes an address that is dropped at the end; the stack has room for 32.
    unsafe {
        asm!(
            "mov {count:e}, 16",
            "2: call 4f",
            "3: pause",
            "lfence",
            "jmp 3b",
            "4: call 6f",
            "5: pause",
            "lfence",
            "jmp 5b",
            "6: dec {count:e}",
            "jnz 2b",
            "add rsp, 256",
            "lfence",
            count = out(reg) _,
        );
    }
}
