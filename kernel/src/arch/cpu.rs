//! Single instructions and processor features.

use core::{
    arch::{
        asm,
        x86_64::{__cpuid, __cpuid_count, CpuidResult},
    },
    fmt,
};
use x86_64::{
    PhysAddr, VirtAddr,
    registers::{
        control::{Cr0, Cr0Flags, Cr4, Cr4Flags, Efer, EferFlags},
        model_specific::{LStar, SFMask, Star},
        rflags::RFlags,
    },
};

/// DR7 with no breakpoint enabled.
const DEBUG_OFF: u64 = 0x400;

/// The number of this CPU. Only one runs now; per-CPU state is indexed by this number.
#[inline]
pub const fn cpu_index() -> u32 {
    0
}

/// Whether page tables may contain 1 GiB pages.
pub fn has_1g_pages() -> bool {
    __cpuid(0x8000_0001).edx & 1 << 26 != 0
}

/// Whether RDRAND and RDSEED exist.
pub fn has_rdrand_and_rdseed() -> (bool, bool) {
    (__cpuid(1).ecx & 1 << 30 != 0, __cpuid_count(7, 0).ebx & 1 << 18 != 0)
}

/// Whether Intel made the processor.
pub(super) fn is_intel() -> bool {
    let maker = __cpuid(0);
    [maker.ebx, maker.edx, maker.ecx] == [*b"Genu", *b"ineI", *b"ntel"].map(u32::from_le_bytes)
}

/// Processor features that the kernel relies on, by the processor manuals' names.
const NEEDED: [&str; 10] =
    ["FXSR", "SSE2", "PGE", "APIC", "SYSCALL", "NX", "FSGSBASE", "SMEP", "SMAP", "UMIP"];

/// Missing features.
#[derive(Debug)]
pub struct Missing([bool; NEEDED.len()]);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing = NEEDED.iter().zip(&self.0).filter(|(_, is_missing)| **is_missing);
        for (position, (name, _)) in missing.enumerate() {
            write!(f, "{}{name}", if position == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// The features that the kernel relies on and the processor lacks, if any.
pub fn missing_features() -> Option<Missing> {
    let (basic, extended) = (__cpuid(1), __cpuid(0x8000_0001));
    // The result for a leaf beyond the last one is unspecified.
    let structured = if __cpuid(0).eax >= 7 {
        __cpuid_count(7, 0)
    } else {
        CpuidResult { eax: 0, ebx: 0, ecx: 0, edx: 0 }
    };
    // In the order of the names: word and bit.
    let features: [(u32, u32); NEEDED.len()] = [
        (basic.edx, 24),
        (basic.edx, 26),
        (basic.edx, 13),
        (basic.edx, 9),
        (extended.edx, 11),
        (extended.edx, 20),
        (structured.ebx, 0),
        (structured.ebx, 7),
        (structured.ebx, 20),
        (structured.ecx, 2),
    ];
    let missing = features.map(|(word, bit)| word & 1 << bit == 0);
    missing.contains(&true).then_some(Missing(missing))
}

/// Enables the features that the kernel relies on and points SYSCALL at entry.s.
pub(super) fn init() {
    unsafe extern "C" {
        fn syscall_entry();
    }
    let [user_code, user_data, kernel_code, kernel_data] = super::tables::SYSCALL_SELECTORS;
    // SAFETY: the features exist, since the kernel stops otherwise (`missing_features`). Protection only gets stricter:
    // the kernel never touches user pages (SMAP, SMEP) and writes no read-only page (WP).
    unsafe {
        Cr0::write(
            (Cr0::read()
                | Cr0Flags::WRITE_PROTECT
                | Cr0Flags::NUMERIC_ERROR
                | Cr0Flags::MONITOR_COPROCESSOR
                | Cr0Flags::ALIGNMENT_MASK)
                - Cr0Flags::EMULATE_COPROCESSOR
                - Cr0Flags::TASK_SWITCHED,
        );
        // The complete value: anything that firmware left on, such as protection keys and performance counters for user
        // mode, would be state that is not saved for any thread.
        Cr4::write(
            Cr4Flags::PHYSICAL_ADDRESS_EXTENSION
                | Cr4Flags::MACHINE_CHECK_EXCEPTION
                | Cr4Flags::PAGE_GLOBAL
                | Cr4Flags::OSFXSR
                | Cr4Flags::OSXMMEXCPT_ENABLE
                | super::vectors::control_flags()
                | Cr4Flags::FSGSBASE
                | Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION
                | Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION
                | Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION
                | Cr4Flags::TIMESTAMP_DISABLE,
        );
        // Clear breakpoints left by earlier software.
        asm!("mov dr7, {}", in(reg) DEBUG_OFF, options(nomem, nostack, preserves_flags));
        Efer::write(Efer::read() | EferFlags::SYSTEM_CALL_EXTENSIONS | EferFlags::NO_EXECUTE_ENABLE);
    }
    super::vectors::init();
    Star::write(user_code, user_data, kernel_code, kernel_data)
        .expect("the selectors stand in the order that SYSRET wants");
    LStar::write(VirtAddr::new_truncate(syscall_entry as *const () as usize as u64));
    SFMask::write(RFlags::all());
}

/// Routes system calls through the measuring entry from now on.
pub fn measure_syscalls() {
    unsafe extern "C" {
        fn measured_syscall_entry();
    }
    LStar::write(VirtAddr::new_truncate(measured_syscall_entry as *const () as usize as u64));
}

/// Allows or forbids user mode to read the time-stamp counter.
#[inline]
pub fn allow_user_tsc(allow: bool) {
    let flags = Cr4::read_raw() & !Cr4Flags::TIMESTAMP_DISABLE.bits();
    let disable = if allow { 0 } else { Cr4Flags::TIMESTAMP_DISABLE.bits() };
    // SAFETY: this bit only affects user mode; the others are unchanged.
    unsafe { Cr4::write_raw(flags | disable) };
}

/// Switches to the page tables at `root`.
///
/// # Safety
/// They must map everything that the kernel uses in the same way as the current ones.
#[inline]
pub unsafe fn load_root(root: PhysAddr) {
    // SAFETY: guaranteed by the caller, as this function's contract states.
    unsafe { asm!("mov cr3, {}", in(reg) root.as_u64(), options(nostack, preserves_flags)) };
}

/// Flushes the translation of the page at `address`.
#[inline]
pub fn flush_page(address: u64) {
    x86_64::instructions::tlb::flush(VirtAddr::new_truncate(address));
}

/// Flushes the translations of all user pages.
#[inline]
pub fn flush_user_pages() {
    x86_64::instructions::tlb::flush_all();
}

/// The address that a page fault accessed.
#[inline]
pub(super) fn fault_address() -> u64 {
    x86_64::registers::control::Cr2::read_raw()
}

/// Writes `count` zero words starting at `start`.
///
/// # Safety
/// That memory must be valid for writes and not be accessed by anything else.
#[inline]
pub unsafe fn zero_words(start: *mut u64, count: usize) {
    // SAFETY: the memory is valid by this function's contract; the direction flag is clear in the kernel.
    unsafe {
        asm!("rep stosq", inout("rcx") count => _, inout("rdi") start => _, in("rax") 0_u64,
             options(nostack, preserves_flags));
    }
}

/// Copies `length` bytes. Optimised for short copies, as in most messages: there is no set-up.
///
/// # Safety
/// Both ranges must be valid and not overlap.
#[inline]
pub unsafe fn copy_bytes(from: *const u8, into: *mut u8, length: usize) {
    // SAFETY: the ranges are valid by this function's contract; the direction flag is clear in the kernel.
    unsafe {
        asm!("rep movsq", "mov ecx, {rest:e}", "rep movsb", rest = in(reg) length % 8,
             inout("rcx") length / 8 => _, inout("rsi") from => _, inout("rdi") into => _,
             options(nostack, preserves_flags));
    }
}

#[inline]
pub(super) fn read_fs_base() -> u64 {
    let base;
    // SAFETY: CR4.FSGSBASE is on.
    unsafe { asm!("rdfsbase {}", out(reg) base, options(nomem, nostack, preserves_flags)) };
    base
}

#[inline]
pub(super) fn write_fs_base(base: u64) {
    // SAFETY: CR4.FSGSBASE is on; the kernel does not use FS. Only canonical values are passed: they were read
    // from the register or checked to be user addresses.
    unsafe { asm!("wrfsbase {}", in(reg) base, options(nomem, nostack, preserves_flags)) };
}

/// The user's GS base, while the kernel's is active.
#[inline]
pub(super) fn read_user_gs_base() -> u64 {
    let base;
    // SAFETY: the two SWAPGS cancel out and nothing in between uses GS; interrupts are off.
    unsafe { asm!("swapgs", "rdgsbase {}", "swapgs", out(reg) base, options(nostack, preserves_flags)) };
    base
}

#[inline]
pub(super) fn write_user_gs_base(base: u64) {
    // SAFETY: as for `read_user_gs_base`; the value was read from the register before or is 0.
    unsafe { asm!("swapgs", "wrgsbase {}", "swapgs", in(reg) base, options(nostack, preserves_flags)) };
}
