//! A fault handler that counts, and calls a function of the case. It keeps the vector registers, which the kernel leaves
//! to handlers.

use crate::calls::{done, invoke};
use crate::raw::{bootstrap, exit, syscall};
use capnp::message::Builder;
use capnp::traits::HasTypeId;
use capos_abi::{FaultFrame, NO_DEADLINE, Syscall};
use capos_schema::methods::thread_spawner::{SET_FAULT_HANDLER, SET_FAULT_STACK};
use capos_schema::process_capnp::thread_spawner;
use core::arch::naked_asm;
use core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::OnceLock;

/// Called for each fault or alarm.
pub(crate) type OnFault = fn(&FaultFrame);

/// The number of times that the handler was entered.
static COUNT: AtomicU32 = AtomicU32::new(0);
static ON_FAULT: OnceLock<OnFault> = OnceLock::new();

/// The number of times that the handler was entered.
pub(crate) fn count() -> u32 {
    COUNT.load(SeqCst)
}

/// Sets the handler, once.
pub(crate) fn handle(on_fault: OnFault) {
    if ON_FAULT.set(on_fault).is_err() {
        exit(89);
    }
    let mut message = Builder::new_default();
    message
        .init_root::<thread_spawner::set_fault_handler_params::Builder<'_>>()
        .set_entry(enter as *const () as u64);
    let spawner = bootstrap().thread_spawner;
    done(invoke(spawner, thread_spawner::Client::TYPE_ID, SET_FAULT_HANDLER, &message, &mut [0; 8]).0.status);
}

/// Sets the calling thread's fault stack.
pub(crate) fn set_stack(start: u64, length: u64) {
    let mut message = Builder::new_default();
    let mut root = message.init_root::<thread_spawner::set_fault_stack_params::Builder<'_>>();
    root.set_stack(start);
    root.set_length(length);
    let spawner = bootstrap().thread_spawner;
    done(invoke(spawner, thread_spawner::Client::TYPE_ID, SET_FAULT_STACK, &message, &mut [0; 8]).0.status);
}

/// `SetAlarm`, which must succeed.
pub(crate) fn set_alarm(deadline_ns: u64) {
    if syscall(Syscall::SetAlarm as u64, deadline_ns, 0, 0) != 0 {
        exit(90);
    }
}

/// Switches the alarm off.
pub(crate) fn no_alarm() {
    set_alarm(NO_DEADLINE);
}

#[unsafe(naked)]
extern "sysv64" fn enter(_frame: &FaultFrame) -> ! {
    naked_asm!(
        "mov rbx, rdi",
        "sub rsp, 520",
        "fxsave64 [rsp]",
        "call {handled}",
        "fxrstor64 [rsp]",
        "mov rdi, rbx",
        "mov eax, {fault_return}",
        "syscall",
        "ud2",
        handled = sym handled,
        fault_return = const Syscall::FaultReturn as u64,
    );
}

extern "sysv64" fn handled(frame: &FaultFrame) {
    COUNT.fetch_add(1, SeqCst);
    if let Some(on_fault) = ON_FAULT.get() {
        on_fault(frame);
    }
}
