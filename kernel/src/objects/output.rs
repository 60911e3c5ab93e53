//! Writing to the serial ports. A short write is done at once. A longer one, or one that arrives while others are
//! queued, waits in its port's queue, and its thread transfers the bytes in steps: it shares the CPU with threads
//! of its priority and does not delay those of a higher one. Such a thread also writes the queued bytes that
//! precede its own.

use super::Failure;
use crate::{arch::serial::POLL_LIMIT, budget::Budget, kernel::Kernel, log, system::thread::Job};
use capos_abi::ErrorCode;
use capos_kernel_core::{
    ipc::{ObjectCall, OperationId, QueueId, Reply},
    ring::Outgoing,
};

/// The length that is written at once, in one step.
const STEP_BYTES: usize = 256;

/// The destination of the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Port {
    /// The guest's console.
    Console,
    /// The system log.
    Log,
}

/// The work of a thread that transfers output: everything in the queue of `port` up to the call `until`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carrying {
    port: Port,
    until: OperationId,
}

/// The outcome of a step.
enum Step {
    /// There is more to write.
    Some,
    /// The call has been answered.
    Answered,
    /// The device accepts nothing at the moment.
    Full,
}

/// Writes `bytes`, which are in the caller's memory at `address`, and then optionally a line feed. `Ok(true)` if that is
/// done, `false` if the call is answered later.
pub(super) fn write(
    kernel: &mut Kernel,
    call: &ObjectCall,
    port: Port,
    bytes: &[u8],
    address: u64,
) -> Result<bool, Failure> {
    let queue = queue(kernel, port).ok_or(Failure::OUT_OF_MEMORY)?;
    let total = bytes.len() + usize::from(ends_line(call.method));
    let mut written = 0;
    // Queued writes come first, so that output is not interleaved.
    if total <= STEP_BYTES && kernel.ipc.first_suspended(queue).is_none() {
        written = push(kernel, port, bytes);
        if written == bytes.len() && ends_line(call.method) {
            written += push(kernel, port, b"\n");
        }
        if written == total {
            return Ok(true);
        }
    }
    let length = u32::try_from(bytes.len()).map_err(|_| Failure::OUT_OF_MEMORY)?;
    let mut call = *call;
    call.send = Outgoing { address, length, ..Outgoing::default() };
    let suspended = kernel.ipc.suspend(&mut kernel.system, &call, queue, written as u64);
    if let Some(until) = suspended {
        kernel.system.give_current(Job::Carry(Carrying { port, until }));
    }
    Ok(false)
}

const fn ends_line(method: u16) -> bool {
    method == capos_schema::methods::console::WRITE_LINE
}

fn queue(kernel: &Kernel, port: Port) -> Option<QueueId> {
    match port {
        Port::Console => kernel.services.console_writers,
        Port::Log => kernel.services.log_writers,
    }
}

/// Passes bytes to a device and returns how many it accepted.
fn push(kernel: &mut Kernel, port: Port, bytes: &[u8]) -> usize {
    match port {
        Port::Console => kernel.console.try_write(bytes),
        Port::Log => log::try_user_bytes(bytes),
    }
}

/// Transfers bytes as far as the budget allows. Returns the remaining work.
pub(crate) fn carry(kernel: &mut Kernel, carrying: Carrying, budget: &Budget) -> Option<Carrying> {
    let queue = queue(kernel, carrying.port)?;
    // The call may have ended meanwhile, because of its deadline or the end of its thread.
    while kernel.ipc.suspended(carrying.until).is_some() {
        let first = kernel.ipc.first_suspended(queue)?;
        match step(kernel, carrying.port, first) {
            // The console announces with an interrupt when it accepts bytes again; the log port must be
            // polled.
            Step::Full => return (carrying.port == Port::Log).then_some(carrying),
            Step::Some | Step::Answered if budget.is_spent() => return Some(carrying),
            Step::Some | Step::Answered => {}
        }
    }
    None
}

/// Writes the next bytes of a call.
fn step(kernel: &mut Kernel, port: Port, id: OperationId) -> Step {
    let Some(call) = kernel.ipc.suspended(id) else { return Step::Answered };
    let (length, done) = (u64::from(call.send.length), call.note);
    let mut buffer = [0; STEP_BYTES];
    let count = length.saturating_sub(done).min(STEP_BYTES as u64);
    let mut written = 0;
    if let Some(part) = buffer.get_mut(..count as usize).filter(|part| !part.is_empty()) {
        if kernel.system.copy_in(call.caller.process, call.send.address + done, part).is_err() {
            return answer(kernel, id, Reply::Exception(ErrorCode::BadAddress, ""));
        }
        written = push(kernel, port, part) as u64;
    }
    if written == count && done + written == length && ends_line(call.method) {
        written += push(kernel, port, b"\n") as u64;
    }
    let done = done + written;
    if done >= length + u64::from(ends_line(call.method)) {
        return answer(kernel, id, Reply::EMPTY);
    }
    kernel.ipc.set_note(id, done);
    if written == 0 { Step::Full } else { Step::Some }
}

fn answer(kernel: &mut Kernel, id: OperationId, reply: Reply<'_>) -> Step {
    kernel.ipc.answer(&mut kernel.system, id, reply);
    Step::Answered
}

/// Lets the thread that has waited longest for the console continue, unless it has other work: the device accepts
/// bytes again, or the thread that was to write them has ended or had other work meanwhile.
pub(crate) fn carry_on(kernel: &mut Kernel) {
    let port = Port::Console;
    if kernel.console.waits_for_space() {
        return;
    }
    let Some(until) = queue(kernel, port).and_then(|queue| kernel.ipc.first_suspended(queue)) else {
        return;
    };
    let Some(thread) = kernel.ipc.suspended(until).map(|call| call.caller.thread) else { return };
    kernel.system.give_job_anytime(thread, Job::Carry(Carrying { port, until }));
}

/// Writes the queued output at shutdown: waits for the device, but only for a limited time.
pub(super) fn flush(kernel: &mut Kernel) {
    for port in [Port::Console, Port::Log] {
        let Some(queue) = queue(kernel, port) else { continue };
        for _ in 0..POLL_LIMIT {
            let Some(first) = kernel.ipc.first_suspended(queue) else { break };
            let _ = step(kernel, port, first);
        }
    }
}
