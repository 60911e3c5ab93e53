//! `Console` (schema/console.capnp).

use super::{
    Answer, Context, Failure, Parameters,
    message::{long_results, results},
    output::{self, Port},
    reply,
    services::Buffers,
};
use crate::{console::Events, kernel::Kernel};
use capnp::Word;
use capos_abi::Rights;
use capos_schema::console_capnp::{MAX_WRITE_BYTES, console};
use capos_schema::methods::console::{FLUSH, READ, TERMINALS, WRITE, WRITE_ERROR, WRITE_LINE};

/// Maximum input of one call; less than the schema allows, because it passes over the kernel's stack.
const READ_BYTES: u32 = 4096;

/// Payload of the capability whose output goes to the system log, and which has no input.
pub const LOG: u64 = 1;

const TOO_LONG: Failure = Failure::overloaded("more than 32768 bytes in one write");

pub(super) fn serve(context: &mut Context<'_>, parameters: &Parameters<'_>) -> Result<Answer, Failure> {
    context.expect_interface::<console::Client>()?;
    match context.call.method {
        // The line has a single output.
        WRITE | WRITE_LINE | WRITE_ERROR => {
            context.require(Rights::WRITE)?;
            write(context, context.call.method, parameters)
        }
        READ => {
            context.require(Rights::READ)?;
            let wanted = parameters.get_root::<console::read_params::Reader<'_>>()?.get_max_bytes();
            read(context, wanted.min(READ_BYTES))
        }
        TERMINALS => {
            // The line is assumed to be a terminal of unknown size.
            let is_terminal = context.call.payload != LOG;
            results::<console::terminals_results::Owned>(context.results, |mut results| {
                results.reborrow().init_input().set_is_terminal(is_terminal);
                results.reborrow().init_output().set_is_terminal(is_terminal);
                results.init_errors().set_is_terminal(is_terminal);
            })
        }
        FLUSH => {
            context.require(Rights::WRITE)?;
            // A write returns when the device has accepted everything.
            Ok(Answer::Empty)
        }
        _ => Err(Failure::UNIMPLEMENTED),
    }
}

/// The bytes of a write method, without the line feed.
fn output_bytes<'a>(method: u16, parameters: &'a Parameters<'_>) -> Result<&'a [u8], Failure> {
    let bytes: &[u8] = match method {
        WRITE_LINE => parameters.get_root::<console::write_line_params::Reader<'_>>()?.get_line()?.0,
        WRITE_ERROR => parameters.get_root::<console::write_error_params::Reader<'_>>()?.get_bytes()?,
        _ => parameters.get_root::<console::write_params::Reader<'_>>()?.get_bytes()?,
    };
    if bytes.len() > MAX_WRITE_BYTES as usize { Err(TOO_LONG) } else { Ok(bytes) }
}

fn write(context: &mut Context<'_>, method: u16, parameters: &Parameters<'_>) -> Result<Answer, Failure> {
    let bytes = output_bytes(method, parameters)?;
    let port = if context.call.payload == LOG { Port::Log } else { Port::Console };
    // The parameters were copied completely from there.
    let offset = bytes.as_ptr().addr().wrapping_sub(context.parameters_at) as u64;
    let address = context.call.send.address.wrapping_add(offset);
    let is_done = output::write(context.kernel, context.call, port, bytes, address)?;
    Ok(if is_done { Answer::Empty } else { Answer::Later })
}

fn read(context: &mut Context<'_>, wanted: u32) -> Result<Answer, Failure> {
    if wanted == 0 {
        return Err(Failure::failed("a read of zero bytes"));
    }
    if context.call.payload == LOG {
        return Err(Failure::failed("the log has no input"));
    }
    let queue = context.kernel.services.console_readers.ok_or(Failure::OUT_OF_MEMORY)?;
    if context.kernel.ipc.first_suspended(queue).is_none() {
        let mut bytes = [0; READ_BYTES as usize];
        let bytes = bytes.get_mut(..wanted as usize).unwrap_or_default();
        let count = context.kernel.console.try_read(bytes);
        if count > 0 || context.kernel.console.end_of_input() {
            let input = bytes.get(..count).unwrap_or_default();
            return input_results(context.results, input);
        }
    }
    context.suspend(queue, wanted.into())
}

fn input_results(buffer: &mut [Word], input: &[u8]) -> Result<Answer, Failure> {
    long_results::<console::read_results::Owned>(buffer, input.len() + 64, |mut results| {
        results.set_bytes(input);
        Ok(())
    })
}

/// Continues calls that waited for the console.
pub(crate) fn ready(kernel: &mut Kernel, events: Events) {
    if events.output_space {
        output::carry_on(kernel);
    }
    if events.input {
        let mut buffers = core::mem::take(&mut kernel.services.buffers);
        continue_readers(kernel, &mut buffers);
        kernel.services.buffers = buffers;
    }
}

fn continue_readers(kernel: &mut Kernel, buffers: &mut Buffers) {
    let Some(queue) = kernel.services.console_readers else { return };
    while let Some(id) = kernel.ipc.first_suspended(queue) {
        let Some(call) = kernel.ipc.suspended(id) else { return };
        let wanted = usize::try_from(call.note).unwrap_or(0);
        let input = buffers.parameters.bytes_mut(wanted);
        let count = kernel.console.try_read(input);
        if count == 0 && !kernel.console.end_of_input() {
            return;
        }
        let input = buffers.parameters.bytes(count);
        let outcome = input_results(buffers.results.words(), input);
        if let Some(caller) = kernel.ipc.resume(id) {
            reply(kernel, &caller, outcome, &buffers.results);
        }
    }
}
