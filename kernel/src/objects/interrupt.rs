//! `Interrupt` (schema/device.capnp).

use super::{Answer, Context, Failure, message::results, reply_later};
use crate::{kernel::Kernel, system::pci::InterruptId};
use capnp::Word;
use capos_abi::{ErrorCode, Rights};
use capos_kernel_core::arena::Id;
use capos_schema::device_capnp::interrupt;
use capos_schema::methods::interrupt::WAIT;

const GIVEN_UP: Failure =
    Failure { code: ErrorCode::Disconnected, text: "the device of this interrupt has been closed" };

pub(super) fn serve(context: &mut Context<'_>) -> Result<Answer, Failure> {
    context.expect_interface::<interrupt::Client>()?;
    if context.call.method != WAIT {
        return Err(Failure::UNIMPLEMENTED);
    }
    context.require(Rights::READ)?;
    let interrupt =
        context.kernel.system.pci().interrupt(Id::unpack(context.call.payload)).ok_or(Failure::ENDED)?;
    let queue = interrupt.queue().ok_or(GIVEN_UP)?;
    if let Some(count) = interrupt.take() {
        return count_results(context.results, count);
    }
    context.suspend(queue, 0)
}

/// Answers the call that has waited longest, if there is one.
pub(crate) fn fired(kernel: &mut Kernel, id: InterruptId) {
    let Some(interrupt) = kernel.system.pci().interrupt(id) else { return };
    let Some(waiter) = interrupt.queue().and_then(|queue| kernel.ipc.first_suspended(queue)) else { return };
    if let Some(count) = interrupt.take()
        && let Some(caller) = kernel.ipc.resume(waiter)
    {
        reply_later(kernel, &caller, |_, buffer| count_results(buffer, count));
    }
}

fn count_results(buffer: &mut [Word], count: u64) -> Result<Answer, Failure> {
    results::<interrupt::wait_results::Owned>(buffer, |mut results| results.set_count(count))
}
