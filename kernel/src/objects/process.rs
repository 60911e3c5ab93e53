//! `Process` (schema/process.capnp).

use super::{Answer, Context, Failure, message::results, reply_later};
use crate::{
    kernel::Kernel,
    system::process::{ExitCause, FaultCause, ProcessId, UsedUp},
};
use capnp::Word;
use capos_abi::Rights;
use capos_schema::methods::process::{KILL, RESOURCE_USE, WAIT};
use capos_schema::process_capnp::{self, exit_cause, fault, process};

pub(super) fn serve(context: &mut Context<'_>) -> Result<Answer, Failure> {
    context.expect_interface::<process::Client>()?;
    let id = context.target();
    context.require(if context.call.method == KILL { Rights::WRITE } else { Rights::READ })?;
    match context.call.method {
        WAIT => wait(context, id),
        KILL => {
            context.kernel.system.end_process(id, ExitCause::Killed);
            Ok(Answer::Empty)
        }
        RESOURCE_USE => resource_use(context, id),
        _ => Err(Failure::UNIMPLEMENTED),
    }
}

fn wait(context: &mut Context<'_>, id: ProcessId) -> Result<Answer, Failure> {
    let kernel = &mut *context.kernel;
    let record = kernel.system.process(id).ok_or(Failure::ENDED)?;
    if let Some(cause) = record.cause().filter(|_| record.is_closed()) {
        return cause_results(context.results, cause);
    }
    let queue = match *record.waiters() {
        Some(queue) => queue,
        None => *record.waiters().insert(kernel.ipc.create_queue()?),
    };
    context.suspend(queue, 0)
}

/// Answers one of the calls that wait for the end of a process. `true` if there was none left.
pub(crate) fn tell_a_waiter(kernel: &mut Kernel, id: ProcessId) -> bool {
    let Some(process) = kernel.system.process(id) else { return true };
    let (Some(cause), Some(queue)) = (process.cause(), *process.waiters()) else { return true };
    let Some(waiter) = kernel.ipc.first_suspended(queue) else {
        *process.waiters() = None;
        kernel.ipc.remove_queue(queue);
        return true;
    };
    if let Some(caller) = kernel.ipc.resume(waiter) {
        reply_later(kernel, &caller, |_, buffer| cause_results(buffer, cause));
    }
    false
}

fn cause_results(buffer: &mut [Word], cause: ExitCause) -> Result<Answer, Failure> {
    results::<process::wait_results::Owned>(buffer, |results| set_cause(results.init_cause(), cause))
}

fn set_cause(mut into: exit_cause::Builder<'_>, cause: ExitCause) {
    match cause {
        ExitCause::Exited(status) => into.set_exited(status),
        ExitCause::Killed => into.set_killed(()),
        ExitCause::Fault(cause) => set_fault(into.init_fault(), cause),
        ExitCause::OutOfMemory(cause, used_up) => {
            into.set_used_up(match used_up {
                UsedUp::Budget => process_capnp::UsedUp::Budget,
                UsedUp::Machine => process_capnp::UsedUp::Machine,
            });
            set_fault(into.init_out_of_memory(), cause);
        }
    }
}

fn set_fault(mut into: fault::Builder<'_>, cause: FaultCause) {
    into.set_vector(cause.vector);
    into.set_error_code(cause.error_code);
    into.set_address(cause.address);
    into.set_instruction_pointer(cause.instruction_pointer);
}

fn resource_use(context: &mut Context<'_>, id: ProcessId) -> Result<Answer, Failure> {
    let slots = context.kernel.ipc.caps.slots_used(id.index());
    let record = context.kernel.system.process(id).ok_or(Failure::ENDED)?;
    let (budget, threads, cpu_ns) = (record.budget(), record.thread_count(), record.cpu_ns());
    let slots = if record.has_ended() { 0 } else { slots };
    results::<process::resource_use_results::Owned>(context.results, |results| {
        let mut used = results.init_use();
        used.set_frames(budget.used());
        used.set_frames_peak(budget.peak());
        used.set_capability_slots(slots);
        used.set_threads(threads);
        used.set_cpu_nanoseconds(cpu_ns);
    })
}
