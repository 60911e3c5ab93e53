//! `Timer` (schema/timer.capnp).

use super::{
    Answer, Context, Failure, Parameters,
    message::{results, results_with_cap},
};
use crate::{arch::time, kernel::Kernel};
use capos_abi::Rights;
use capos_kernel_core::caps::{self, ObjectKind};
use capos_schema::methods::timer::{NOW, SLEEP_UNTIL, TIME_PAGE};
use capos_schema::{memory_capnp::memory_object, timer_capnp::timer};

pub(super) fn serve(context: &mut Context<'_>, parameters: &Parameters<'_>) -> Result<Answer, Failure> {
    context.expect_interface::<timer::Client>()?;
    context.require(Rights::READ)?;
    match context.call.method {
        NOW => results::<timer::now_results::Owned>(context.results, |mut results| {
            results.set_nanoseconds(time::now_ns());
        }),
        SLEEP_UNTIL => {
            let wake_ns = parameters.get_root::<timer::sleep_until_params::Reader<'_>>()?.get_nanoseconds();
            if wake_ns <= time::now_ns() {
                return Ok(Answer::Empty);
            }
            let call = context.call;
            context.kernel.ipc.sleep(&mut context.kernel.system, call, wake_ns);
            Ok(Answer::Later)
        }
        TIME_PAGE => time_page(context),
        _ => Err(Failure::UNIMPLEMENTED),
    }
}

fn time_page(context: &mut Context<'_>) -> Result<Answer, Failure> {
    let caller = context.caller()?;
    let object = match context.kernel.services.time_page {
        Some(object) => object,
        None => publish_time_page(context.kernel)?,
    };
    let rights = Rights::READ | Rights::TRANSFER;
    let handle = context.kernel.ipc.caps.insert(context.call.caller.process, object, rights)?;
    context.kernel.system.allow_tsc(caller);
    type Results = timer::time_page_results::Owned;
    results_with_cap::<Results, memory_object::Client>(context.results, handle, |results, page| {
        results.set_page(page);
    })
}

/// Makes the page an object that capabilities can refer to; it is never freed.
fn publish_time_page(kernel: &mut Kernel) -> Result<caps::ObjectId, Failure> {
    let memory = kernel.clock.page().ok_or(Failure::OUT_OF_MEMORY)?;
    let caps = &mut kernel.ipc.caps;
    let object =
        caps.create_object(ObjectKind::MemoryObject, memory.pack()).map_err(|_| Failure::OUT_OF_MEMORY)?;
    caps.pin(object);
    kernel.services.time_page = Some(object);
    Ok(object)
}
