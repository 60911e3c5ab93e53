//! Per-CPU state; GS points to it while the CPU is in the kernel.

use super::{
    context::{ThreadState, UserContext},
    cpu, image, isolation, tables, vectors,
};
use alloc::boxed::Box;
use core::{arch::asm, mem::offset_of};
use x86_64::{
    VirtAddr,
    registers::model_specific::{GsBase, KernelGsBase},
    structures::tss::TaskStateSegment,
};

/// With the layout expected by entry.s.
#[repr(C, align(16))]
pub(super) struct PerCpu {
    /// Top of the CPU's kernel stack.
    stack_top: u64,
    /// The context of the thread running in user mode, or the spare one.
    context: u64,
    /// Address of `spare`.
    spare_address: u64,
    /// Aligns the TSS's stack pointers to 8 bytes.
    _padding: u32,
    tss: TaskStateSegment,
    /// Receives the user state when no thread is current.
    spare: UserContext,
}

pub(super) const STACK: usize = offset_of!(PerCpu, stack_top);
pub(super) const CONTEXT: usize = offset_of!(PerCpu, context);
const SPARE: usize = offset_of!(PerCpu, spare_address);
const PRIVILEGE_STACK: usize = offset_of!(PerCpu, tss) + offset_of!(TaskStateSegment, privilege_stack_table);

const FATAL_STACK_BYTES: usize = 16 * 1024;

/// Creates the boot CPU's structure and loads its descriptor tables.
pub(super) fn init_boot_cpu() {
    let stack = Box::leak(alloc::vec![0_u8; FATAL_STACK_BYTES].into_boxed_slice());
    let mut tss = TaskStateSegment::new();
    tss.interrupt_stack_table[tables::FATAL_STACK_INDEX] =
        VirtAddr::from_ptr(stack.as_ptr_range().end).align_down(16_u64);
    let per_cpu = Box::leak(Box::new(PerCpu {
        stack_top: image::boot_stack_top(),
        context: 0,
        spare_address: 0,
        _padding: 0,
        tss,
        spare: UserContext::default(),
    }));
    tables::load(&raw const per_cpu.tss);
    let spare = (&raw mut per_cpu.spare).expose_provenance() as u64;
    per_cpu.spare_address = spare;
    GsBase::write(VirtAddr::from_ptr(per_cpu));
    KernelGsBase::write(VirtAddr::zero());
    set_context(spare);
}

/// Makes the processor and entry.s save user state at `context`.
#[inline]
fn set_context(context: u64) {
    // SAFETY: GS points to this CPU's PerCpu; both stores are to its fields, and nothing else refers to them.
    unsafe {
        asm!(
            "mov gs:[{context_offset}], {context}",
            "mov gs:[{stack_offset}], {end}",
            context_offset = const CONTEXT,
            stack_offset = const PRIVILEGE_STACK,
            context = in(reg) context,
            end = in(reg) context + size_of::<UserContext>() as u64,
            options(nostack, preserves_flags),
        );
    }
}

/// Makes `thread` the one that runs when the kernel is left: from now on user state is saved there. It must
/// not move until another thread is installed.
#[inline]
pub fn install(thread: &mut ThreadState) {
    vectors::load(thread);
    cpu::write_fs_base(thread.fs_base);
    cpu::write_user_gs_base(thread.gs_base);
    set_context((&raw mut thread.context).expose_provenance() as u64);
}

/// Like [`install`], after a thread of another process, whose state must have been saved.
#[inline]
pub fn install_other(thread: &mut ThreadState) {
    vectors::forget();
    vectors::load(thread);
    isolation::replace_gs(thread.gs_base);
    enter_other(thread);
}

/// Saves the state of the installed thread and installs one of another process. A call and its reply do this, so it is shorter
/// than the two steps one after the other.
#[inline(always)]
pub fn exchange(left: &mut ThreadState, entered: &mut ThreadState) {
    vectors::exchange(left, entered);
    left.fs_base = cpu::read_fs_base();
    left.gs_base = isolation::replace_gs(entered.gs_base);
    enter_other(entered);
}

#[inline(always)]
fn enter_other(thread: &mut ThreadState) {
    cpu::write_fs_base(thread.fs_base);
    isolation::leave_process();
    set_context((&raw mut thread.context).expose_provenance() as u64);
}

/// Uninstalls the current thread: user state saved from now on is discarded.
pub fn install_none() {
    let spare: u64;
    // SAFETY: GS points to this CPU's PerCpu, which never moves.
    unsafe {
        asm!("mov {}, gs:[{spare}]", out(reg) spare, spare = const SPARE, options(nostack, preserves_flags))
    };
    set_context(spare);
}

/// Saves the state of the installed thread that entry.s did not save.
#[inline]
pub fn save(thread: &mut ThreadState) {
    vectors::save(thread);
    thread.fs_base = cpu::read_fs_base();
    thread.gs_base = cpu::read_user_gs_base();
}

/// The target that entry.s resumes: the address of a context, or one of the constants here.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Resume(u64);

impl Resume {
    /// Nothing: wait for interrupts.
    pub const IDLE: Self = Self(0);
    /// Nothing yet: take interrupts, then continue with the current thread's work.
    pub const WORK: Self = Self(1);
    /// Not quite the installed thread yet: look at its alarm first.
    pub const ALARM: Self = Self(2);

    /// The installed thread.
    #[inline]
    pub fn installed(thread: &mut ThreadState) -> Self {
        Self((&raw mut thread.context).expose_provenance() as u64)
    }
}
