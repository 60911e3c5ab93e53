//! Segment and interrupt descriptor tables.

use alloc::boxed::Box;
use core::arch::asm;
use x86_64::{
    PrivilegeLevel, VirtAddr,
    instructions::{
        segmentation::{CS, DS, ES, SS, Segment},
        tables::{lidt, load_tss},
    },
    structures::{
        DescriptorTablePointer,
        gdt::{Descriptor, GlobalDescriptorTable, SegmentSelector},
        tss::TaskStateSegment,
    },
};

const KERNEL_CODE: SegmentSelector = SegmentSelector::new(1, PrivilegeLevel::Ring0);
const KERNEL_DATA: SegmentSelector = SegmentSelector::new(2, PrivilegeLevel::Ring0);
const USER_DATA: SegmentSelector = SegmentSelector::new(3, PrivilegeLevel::Ring3);
const USER_CODE: SegmentSelector = SegmentSelector::new(4, PrivilegeLevel::Ring3);

/// For contexts.
pub(super) const USER_CODE_SELECTOR: u64 = USER_CODE.0 as u64;
/// For contexts.
pub(super) const USER_DATA_SELECTOR: u64 = USER_DATA.0 as u64;

/// The selectors for [`x86_64::registers::model_specific::Star`]: user code and data, kernel code and data.
pub(super) const SYSCALL_SELECTORS: [SegmentSelector; 4] = [USER_CODE, USER_DATA, KERNEL_CODE, KERNEL_DATA];

/// Index of the TSS's interrupt stack for fatal exceptions.
pub(super) const FATAL_STACK_INDEX: usize = 0;
/// Non-maskable interrupt, double fault, machine check.
const FATAL_VECTORS: [usize; 3] = [2, 8, 18];
const VECTORS: usize = 256;
const STUB_BYTES: u64 = 16;
/// Present 64-bit interrupt gate, for the kernel only.
const KERNEL_GATE: u64 = 0x8e00;
/// The same, but usable by programs with INT n.
const USER_GATE: u64 = 0xee00;

unsafe extern "C" {
    static interrupt_stubs: u8;
}

fn gate(vector: usize) -> [u64; 2] {
    let handler = (&raw const interrupt_stubs).addr() as u64 + vector as u64 * STUB_BYTES;
    // INT3 and INTO are for programs.
    let kind = if vector == 3 || vector == 4 { USER_GATE } else { KERNEL_GATE };
    let stack = if FATAL_VECTORS.contains(&vector) { FATAL_STACK_INDEX as u64 + 1 } else { 0 };
    let low = handler & 0xffff
        | u64::from(KERNEL_CODE.0) << 16
        | stack << 32
        | kind << 32
        | (handler & 0xffff_0000) << 32;
    [low, handler >> 32]
}

/// Loads tables for the CPU that owns `tss`.
pub(super) fn load(tss: *const TaskStateSegment) {
    let gdt = Box::leak(Box::new(GlobalDescriptorTable::new()));
    gdt.append(Descriptor::kernel_code_segment());
    gdt.append(Descriptor::kernel_data_segment());
    gdt.append(Descriptor::user_data_segment());
    gdt.append(Descriptor::user_code_segment());
    // SAFETY: the TSS is part of a PerCpu, which lives for ever.
    let tss_selector = gdt.append(unsafe { Descriptor::tss_segment_unchecked(tss) });
    gdt.load();
    let idt: &'static [[u64; 2]; VECTORS] = Box::leak(Box::new(core::array::from_fn(gate)));
    let pointer = DescriptorTablePointer {
        limit: (size_of::<[[u64; 2]; VECTORS]>() - 1) as u16,
        base: VirtAddr::from_ptr(idt),
    };
    // SAFETY: the selectors name segments of the right kind in the table just loaded; the gates point to
    // stubs for their vectors, and both tables live for ever. A null selector means that there is no local
    // table.
    unsafe {
        CS::set_reg(KERNEL_CODE);
        SS::set_reg(KERNEL_DATA);
        DS::set_reg(SegmentSelector::NULL);
        ES::set_reg(SegmentSelector::NULL);
        asm!("lldt {:x}", in(reg) 0_u16, options(nostack, preserves_flags));
        load_tss(tss_selector);
        lidt(&pointer);
    }
}

/// Executes VERW with a writable segment, which clears the processor's internal buffers on processors with MD_CLEAR.
pub(super) fn verify_write() {
    let selector = KERNEL_DATA.0;
    // SAFETY: VERW only reads a descriptor and sets a flag.
    unsafe { asm!("verw word ptr [{}]", in(reg) &raw const selector, options(nostack, readonly)) };
}
