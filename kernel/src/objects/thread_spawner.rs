//! `ThreadSpawner` (schema/process.capnp).

use super::{Answer, Context, Failure, Parameters, message::results};
use crate::system::thread::{NewThread, SpawnThreadError};
use capos_abi::{Rights, USER_END};
use capos_schema::methods::thread_spawner::{SET_FAULT_HANDLER, SET_FAULT_STACK, SPAWN};
use capos_schema::process_capnp::thread_spawner;

impl From<SpawnThreadError> for Failure {
    fn from(error: SpawnThreadError) -> Self {
        match error {
            SpawnThreadError::InvalidArgument => {
                Self::failed("an address is outside user space, or the priority is not allowed")
            }
            SpawnThreadError::BudgetExceeded => {
                Self::overloaded("the process's thread or frame budget is exhausted")
            }
            SpawnThreadError::Ended => Self::ENDED,
        }
    }
}

pub(super) fn serve(context: &mut Context<'_>, parameters: &Parameters<'_>) -> Result<Answer, Failure> {
    context.expect_interface::<thread_spawner::Client>()?;
    context.require(Rights::WRITE)?;
    match context.call.method {
        SPAWN => spawn(context, parameters.get_root()?),
        SET_FAULT_HANDLER => {
            let entry =
                parameters.get_root::<thread_spawner::set_fault_handler_params::Reader<'_>>()?.get_entry();
            if entry >= USER_END {
                return Err(Failure::failed("the handler is outside user space"));
            }
            let id = context.target();
            context.kernel.system.process(id).ok_or(Failure::ENDED)?.set_fault_handler(entry);
            Ok(Answer::Empty)
        }
        SET_FAULT_STACK => {
            let range: thread_spawner::set_fault_stack_params::Reader<'_> = parameters.get_root()?;
            set_fault_stack(context, range.get_stack(), range.get_length())
        }
        _ => Err(Failure::UNIMPLEMENTED),
    }
}

fn spawn(
    context: &mut Context<'_>,
    parameters: thread_spawner::spawn_params::Reader<'_>,
) -> Result<Answer, Failure> {
    let caller_priority =
        context.kernel.system.thread_at(context.call.caller.thread).map_or(1, |thread| thread.priority());
    let new = NewThread {
        entry: parameters.get_entry(),
        stack: parameters.get_stack(),
        argument: parameters.get_argument(),
        thread_pointer: parameters.get_thread_pointer(),
        priority: match parameters.get_priority() {
            0 => caller_priority,
            priority => priority,
        },
    };
    let id = context.target();
    let (thread, ring) = context.kernel.spawn_thread(id, new)?;
    results::<thread_spawner::spawn_results::Owned>(context.results, |mut results| {
        results.set_thread_id(thread.index());
        results.set_ring(ring);
    })
}

fn set_fault_stack(context: &mut Context<'_>, stack: u64, length: u64) -> Result<Answer, Failure> {
    if stack.checked_add(length).is_none_or(|end| end > USER_END) {
        return Err(Failure::failed("the stack is outside user space"));
    }
    // The calling thread's own fault stack; the thread belongs to the process that the capability is for.
    let target = context.target();
    match context.kernel.system.thread_at(context.call.caller.thread) {
        Some(thread) if thread.process() == target => {
            thread.set_fault_stack(stack, length);
            Ok(Answer::Empty)
        }
        _ => Err(Failure::failed("the ThreadSpawner belongs to another process")),
    }
}
