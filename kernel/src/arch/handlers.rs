//! Entry points from entry.s into Rust.

use super::{
    apic,
    context::{self, UserContext},
    cpu, percpu,
    percpu::Resume,
};
use crate::{
    kernel, klog,
    measure::Entry,
    system::thread::{Enter, is_user_exception},
};
use capos_abi::Syscall;
use core::{arch::global_asm, mem::offset_of};

global_asm!(
    include_str!("entry.s"),
    context = const percpu::CONTEXT,
    stack = const percpu::STACK,
    syscall_vector = const context::SYSCALL_VECTOR,
    c_rip = const offset_of!(UserContext, rip),
    c_rflags = const offset_of!(UserContext, rflags),
    c_rsp = const offset_of!(UserContext, rsp),
    c_rax = const offset_of!(UserContext, rax),
    c_rbx = const offset_of!(UserContext, rbx),
    c_rbp = const offset_of!(UserContext, rbp),
    c_r12 = const offset_of!(UserContext, r12),
    c_r13 = const offset_of!(UserContext, r13),
    c_r14 = const offset_of!(UserContext, r14),
    c_r15 = const offset_of!(UserContext, r15),
    c_vector = const offset_of!(UserContext, vector),
);

unsafe extern "C" {
    fn resume_first(resume: Resume) -> !;
}

/// An exception, in the form used by the rest of the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Trap {
    /// The exception number.
    pub vector: u64,
    /// Error code of the exception, or 0.
    pub error_code: u64,
    /// The address accessed, for page faults.
    pub address: u64,
    /// Where it happened.
    pub instruction_pointer: u64,
}

// Contains the only copy of `CapEnter`, inlined: a call would save and restore registers that entry.s has already saved.
#[unsafe(no_mangle)]
#[inline(never)]
extern "sysv64" fn handle_syscall(first: u64, second: u64, third: u64, number: u64) -> Resume {
    kernel::enter_system_call(number, [first, second, third])
}

#[unsafe(no_mangle)]
extern "sysv64" fn handle_measured_syscall(first: u64, second: u64, third: u64, number: u64) -> Resume {
    kernel::measure(Entry::SystemCall(number), || handle_syscall(first, second, third, number))
}

#[unsafe(no_mangle)]
extern "sysv64" fn handle_interrupt(context: &UserContext) -> Resume {
    let vector = context.vector;
    let trap = Trap {
        vector,
        error_code: context.error_code,
        address: if vector == 14 { cpu::fault_address() } else { 0 },
        instruction_pointer: context.rip,
    };
    kernel::enter_measured(Entry::Interrupt(vector), |kernel| {
        if is_user_exception(vector) {
            kernel.system.user_exception(&trap);
        } else {
            device_interrupt(kernel, vector);
        }
    })
}

#[unsafe(no_mangle)]
extern "sysv64" fn handle_work() -> Resume {
    kernel::measure(Entry::Work, || {
        kernel::enter_work(|Enter { submit, wait_for, deadline_ns }| {
            handle_syscall(submit, wait_for, deadline_ns, Syscall::CapEnter as u64)
        })
    })
}

#[unsafe(no_mangle)]
extern "sysv64" fn handle_alarm() -> Resume {
    kernel::enter_alarm()
}

#[unsafe(no_mangle)]
extern "sysv64" fn handle_idle_interrupt(vector: u64) -> Resume {
    kernel::enter_measured(Entry::Interrupt(vector), |kernel| device_interrupt(kernel, vector))
}

fn device_interrupt(kernel: &mut kernel::Kernel, vector: u64) {
    if vector == apic::SPURIOUS_VECTOR {
        return;
    }
    apic::end_of_interrupt();
    match vector {
        apic::TIMER_VECTOR => kernel.timer_interrupt(),
        apic::CONSOLE_VECTOR => kernel.console_interrupt(),
        apic::LOG_VECTOR => crate::log::port_interrupt(),
        // INT n from a program arrives as a general protection fault, so this comes from a device.
        _ => kernel.device_interrupt(vector),
    }
}

/// The state that entry.s pushes for a fault in the kernel, with the layout of a context.
#[unsafe(no_mangle)]
extern "sysv64" fn handle_fatal(context: &UserContext) -> ! {
    klog!(
        "exception {} in the kernel, error code {:#x}, address {:#x}",
        context.vector,
        context.error_code,
        cpu::fault_address()
    );
    klog!("{context:#x?}");
    super::backtrace::log(context.rbp);
    panic!("the processor reported a fault at {:#x}", context.rip)
}

/// Leaves the boot code and runs the first ready thread.
pub fn run() -> ! {
    let resume = kernel::enter(|_| {});
    // SAFETY: entry.s accepts the result of `enter`; the boot stack is abandoned.
    unsafe { resume_first(resume) }
}
