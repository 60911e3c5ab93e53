//! `Interrupt` (schema/device.capnp).

use super::{Answer, Context, Failure, message};
use crate::{kernel::Kernel, system::pci::InterruptId};
use capnp::Word;
use capos_abi::{ErrorCode, Rights};
use capos_kernel_core::{arena::Id, ipc::Reply};
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
        let bytes = count_message(context.results, count)?;
        return Ok(Answer::Results { bytes, cap: None });
    }
    let call = context.call;
    context.kernel.ipc.suspend(&mut context.kernel.system, call, queue, 0);
    Ok(Answer::Later)
}

/// Answers the call that has waited longest, if there is one.
pub(crate) fn fired(kernel: &mut Kernel, id: InterruptId) {
    let Some(queue) = kernel.system.pci().interrupt(id).and_then(|interrupt| interrupt.queue()) else {
        return;
    };
    let Some(waiter) = kernel.ipc.first_suspended(queue) else { return };
    let Some(count) = kernel.system.pci().interrupt(id).and_then(crate::system::pci::Interrupt::take) else {
        return;
    };
    let mut buffers = core::mem::take(&mut kernel.services.buffers);
    let reply = match count_message(buffers.results.words(), count) {
        Ok(length) => Reply::Results(buffers.results.bytes(length), &[]),
        Err(Failure { code, text }) => Reply::Exception(code, text),
    };
    kernel.ipc.answer(&mut kernel.system, waiter, reply);
    kernel.services.buffers = buffers;
}

fn count_message(buffer: &mut [Word], count: u64) -> Result<usize, Failure> {
    message::build::<interrupt::wait_results::Owned>(buffer, message::SMALL_BYTES, |mut results| {
        results.set_count(count);
        Ok(())
    })
}
