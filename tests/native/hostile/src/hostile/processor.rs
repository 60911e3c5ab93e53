//! A test for every way to cause a processor exception.
#![expect(unsafe_code, reason = "each case executes an instruction that must fault")]

use crate::raw::{jump, peek, poke, syscall};
use capos_abi::Syscall;
use core::arch::asm;

const KERNEL_ADDRESS: u64 = 0xffff_ffff_8010_0000;

pub(crate) fn read_null() -> i32 {
    i32::from(peek(0))
}

pub(crate) fn read_kernel() -> i32 {
    i32::from(peek(KERNEL_ADDRESS))
}

pub(crate) fn write_kernel() -> i32 {
    poke(KERNEL_ADDRESS, 1);
    0
}

pub(crate) fn read_non_canonical() -> i32 {
    i32::from(peek(0x8000_0000_0000_0000))
}

pub(crate) fn write_text() -> i32 {
    poke(write_text as *const () as u64, 0xc3);
    0
}

pub(crate) fn write_bootstrap() -> i32 {
    poke(capos_abi::BOOTSTRAP_ADDRESS, 0);
    0
}

pub(crate) fn execute_data() -> i32 {
    static RETURN: [u8; 1] = [0xc3];
    jump(RETURN.as_ptr() as u64)
}

pub(crate) fn execute_stack() -> i32 {
    let code = [0xc3_u8; 16];
    jump(core::hint::black_box(code.as_ptr()) as u64)
}

pub(crate) fn jump_to_kernel() -> i32 {
    jump(KERNEL_ADDRESS)
}

pub(crate) fn jump_non_canonical() -> i32 {
    jump(0x0000_8000_0000_0000)
}

pub(crate) fn stack_overflow() -> i32 {
    #[expect(unconditional_recursion, reason = "it is to overflow the stack")]
    fn deeper(depth: u64) -> u64 {
        let frame = [depth; 64];
        core::hint::black_box(&frame);
        deeper(depth + 1) + frame[0]
    }
    i32::try_from(deeper(core::hint::black_box(0))).unwrap_or(0)
}

/// Does nothing, until it is killed.
pub(crate) fn wait_for_ever() -> i32 {
    loop {
        syscall(Syscall::CapEnter as u64, 0, 1, capos_abi::NO_DEADLINE);
    }
}

macro_rules! instruction_cases {
    ($($(#[$meta:meta])* $name:ident => $($line:literal),+;)*) => {
        $($(#[$meta])* pub(crate) fn $name() -> i32 {
            // SAFETY: deliberately unsound: each sequence ends in a fault that ends this process.
            unsafe { asm!($($line),+, out("rax") _, out("rcx") _, out("rdx") _) };
            0
        })*
    };
}

instruction_cases! {
    divide_by_zero => "xor ecx, ecx", "xor edx, edx", "mov eax, 1", "div ecx";
    undefined_instruction => "ud2";
    breakpoint => "int3";
    software_interrupt => "int 0x80";
    /// Vector 14 by INT must not reach the page-fault path.
    forged_page_fault => "int 14";
    halt => "hlt";
    disable_interrupts => "cli";
    read_port => "in al, 0x60";
    write_port => "mov al, 0", "out 0xf4, al";
    read_msr => "mov ecx, 0xC0000082", "rdmsr";
    write_cr3 => "xor eax, eax", "mov cr3, rax";
    load_idt => "sub rsp, 16", "lidt [rsp]", "add rsp, 16";
    /// UMIP hides the addresses of the tables.
    store_gdt => "sub rsp, 16", "sgdt [rsp]", "add rsp, 16";
    read_time_stamp => "rdtsc";
    misaligned_vector => "sub rsp, 32", "movaps xmm0, [rsp + 1]", "add rsp, 32";
    single_step => "pushfq", "or qword ptr [rsp], 0x100", "popfq", "nop", "nop";
    x87_exception => "sub rsp, 16", "mov word ptr [rsp], 0x0340", "fldcw [rsp]", "fldz", "fldz",
        "fdivp", "fwait", "add rsp, 16";
    load_bad_segment => "mov eax, 0x8", "mov ss, eax";
    far_return_to_ring_0 => "mov eax, 0x8", "push rax", "lea rcx, [rip]", "push rcx", "retfq";
    /// Enabling state that is not saved for any thread.
    extended_control => "xor ecx, ecx", "xor edx, edx", "mov eax, 1", "xsetbv";
    protection_keys => "xor ecx, ecx", "rdpkru";
    performance_counter => "xor ecx, ecx", "rdpmc";
    debug_register => "mov rax, dr7";
    load_local_table => "mov eax, 0x18", "lldt ax";
    local_selector => "mov eax, 0x7", "mov ds, eax";
    swap_gs => "swapgs";
    system_return => "sysretq";
}
