//! `Console` (schema/console.capnp).

use super::{Answer, Context, Failure, Parameters, message::build, services::Buffers};
use crate::{device::console::Events, kernel::Kernel, log};
use capos_abi::Rights;
use capos_kernel_core::ipc::{OperationId, Reply};
use capos_schema::console_capnp::{MAX_READ_BYTES, MAX_WRITE_BYTES, console};

const WRITE: u16 = 0;
const WRITE_LINE: u16 = 1;
const READ: u16 = 2;

/// Payload of the capability whose output goes to the system log, and which has no input.
pub const LOG: u64 = 1;

const TOO_LONG: Failure = Failure::overloaded("more than 32768 bytes in one write");

pub(super) fn serve(context: &mut Context<'_>, parameters: &Parameters<'_>) -> Result<Answer, Failure> {
    context.expect_interface::<console::Client>()?;
    match context.call.method {
        WRITE | WRITE_LINE => {
            context.require(Rights::WRITE)?;
            let (bytes, end) = output(context.call.method, parameters)?;
            write(context, bytes, end)
        }
        READ => {
            context.require(Rights::READ)?;
            let wanted = parameters.get_root::<console::read_params::Reader<'_>>()?.get_max_bytes();
            read(context, wanted.min(MAX_READ_BYTES))
        }
        _ => Err(Failure::UNIMPLEMENTED),
    }
}

/// What a write method writes: bytes, and what follows them.
fn output<'a>(method: u16, parameters: &'a Parameters<'_>) -> Result<(&'a [u8], &'static [u8]), Failure> {
    let (bytes, end): (&[u8], &[u8]) = if method == WRITE {
        (parameters.get_root::<console::write_params::Reader<'_>>()?.get_bytes()?, b"")
    } else {
        (parameters.get_root::<console::write_line_params::Reader<'_>>()?.get_line()?.0, b"\n")
    };
    if bytes.len() > MAX_WRITE_BYTES as usize { Err(TOO_LONG) } else { Ok((bytes, end)) }
}

fn write(context: &mut Context<'_>, bytes: &[u8], end: &[u8]) -> Result<Answer, Failure> {
    if context.call.payload == LOG {
        log::user_bytes(bytes);
        log::user_bytes(end);
        return Ok(Answer::Empty);
    }
    let queue = context.kernel.services.console_writers.ok_or(Failure::OUT_OF_MEMORY)?;
    // Others that wait come first, so that nothing is interleaved.
    let waits = context.kernel.ipc().first_suspended(queue).is_some();
    let written = if waits { 0 } else { push(context.kernel, bytes, end, 0) };
    if written == bytes.len() + end.len() {
        return Ok(Answer::Empty);
    }
    let call = context.call;
    context.kernel.with_ipc(|ipc, kernel| ipc.suspend(kernel, call, queue, written as u64));
    Ok(Answer::Later)
}

/// Gives the device what comes after the first `done` bytes, and returns how many bytes are done then.
fn push(kernel: &mut Kernel, bytes: &[u8], end: &[u8], done: usize) -> usize {
    let rest = bytes.get(done..).unwrap_or_default();
    let written = done + kernel.console.try_write(rest);
    match end.get(written.saturating_sub(bytes.len())..) {
        Some(end) if written >= bytes.len() && !end.is_empty() => written + kernel.console.try_write(end),
        _ => written,
    }
}

fn read(context: &mut Context<'_>, wanted: u32) -> Result<Answer, Failure> {
    if wanted == 0 {
        return Err(Failure::failed("a read of no bytes"));
    }
    if context.call.payload == LOG {
        return Err(Failure::failed("the log has no input"));
    }
    let queue = context.kernel.services.console_readers.ok_or(Failure::OUT_OF_MEMORY)?;
    if context.kernel.ipc().first_suspended(queue).is_none() {
        let mut bytes = [0; MAX_READ_BYTES as usize];
        let bytes = bytes.get_mut(..wanted as usize).unwrap_or_default();
        let count = context.kernel.console.try_read(bytes);
        if count > 0 || context.kernel.console.end_of_input() {
            let input = bytes.get(..count).unwrap_or_default();
            return Ok(Answer::Results { bytes: input_message(context.results, input)?, cap: None });
        }
    }
    let call = context.call;
    context.kernel.with_ipc(|ipc, kernel| ipc.suspend(kernel, call, queue, wanted.into()));
    Ok(Answer::Later)
}

fn input_message(buffer: &mut super::services::Words, input: &[u8]) -> Result<usize, Failure> {
    build::<console::read_results::Owned>(buffer, input.len() + 64, |mut results| {
        results.set_bytes(input);
        Ok(())
    })
}

/// Goes on with calls that waited for the console.
pub(crate) fn ready(kernel: &mut Kernel, events: Events) {
    let mut buffers = core::mem::take(&mut kernel.services.buffers);
    if events.output_space {
        continue_writers(kernel, &mut buffers);
    }
    if events.input {
        continue_readers(kernel, &mut buffers);
    }
    kernel.services.buffers = buffers;
}

fn continue_writers(kernel: &mut Kernel, buffers: &mut Buffers) {
    let Some(queue) = kernel.services.console_writers else { return };
    while let Some(id) = kernel.ipc().first_suspended(queue) {
        match continue_writer(kernel, id, buffers) {
            Ok(true) => kernel.with_ipc(|ipc, kernel| ipc.answer(kernel, id, Reply::EMPTY)),
            Ok(false) => return,
            Err(Failure { code, text }) => {
                kernel.with_ipc(|ipc, kernel| ipc.answer(kernel, id, Reply::Exception(code, text)));
            }
        }
    }
}

/// Writes on from where the call had got to; its parameters are still in its caller's memory. Whether
/// all is written.
fn continue_writer(kernel: &mut Kernel, id: OperationId, buffers: &mut Buffers) -> Result<bool, Failure> {
    let Some(call) = kernel.ipc().suspended(id) else { return Ok(true) };
    let parameters = super::read_message(kernel, call.caller.process, call.send, &mut buffers.parameters)?;
    let (bytes, end) = output(call.method, &parameters)?;
    let done = usize::try_from(call.note).unwrap_or(usize::MAX).min(bytes.len() + end.len());
    let written = push(kernel, bytes, end, done);
    kernel.ipc().set_note(id, written as u64);
    Ok(written >= bytes.len() + end.len())
}

fn continue_readers(kernel: &mut Kernel, buffers: &mut Buffers) {
    let Some(queue) = kernel.services.console_readers else { return };
    while let Some(id) = kernel.ipc().first_suspended(queue) {
        let Some(call) = kernel.ipc().suspended(id) else { return };
        let wanted = usize::try_from(call.note).unwrap_or(0);
        let input = buffers.parameters.bytes_mut(wanted);
        let count = kernel.console.try_read(input);
        if count == 0 && !kernel.console.end_of_input() {
            return;
        }
        let input = buffers.parameters.bytes(count);
        let Ok(length) = input_message(&mut buffers.results, input) else { return };
        let message = buffers.results.bytes(length);
        kernel.with_ipc(|ipc, kernel| ipc.answer(kernel, id, Reply::Results(message, &[])));
    }
}

/// Writes what waits, for the end of the system: waits for the device, but not for ever.
pub(super) fn flush(kernel: &mut Kernel, buffers: &mut Buffers) {
    const ATTEMPTS: u32 = 1_000_000;
    let Some(queue) = kernel.services.console_writers else { return };
    for _ in 0..ATTEMPTS {
        if kernel.ipc().first_suspended(queue).is_none() {
            return;
        }
        continue_writers(kernel, buffers);
    }
}
