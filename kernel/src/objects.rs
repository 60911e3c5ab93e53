//! The objects that the kernel serves itself: one module for each interface in `schema/`.
//!
//! Parameters are copied out of the caller's memory before they are interpreted. A method either answers at once or
//! leaves the call suspended in a queue and answers it from an event.

mod cap_table;
mod code_factory;
pub mod console;
mod context;
mod diagnostics;
pub mod dma;
mod endpoint_factory;
pub mod entropy;
mod failure;
pub mod interrupt;
mod memory_object;
mod message;
pub mod output;
mod parameters;
mod pci_bus;
mod pci_device;
mod power;
pub mod process;
mod process_spawner;
pub mod ranges;
pub mod self_check;
mod services;
mod spawn;
mod thread_spawner;
mod timer;
mod virtual_memory;
mod wall_clock;

use crate::kernel::Kernel;
use capnp::{Word, message::Reader};
use capos_abi::{CapDescriptor, ErrorCode, Handle, MAX_MESSAGE_CAPS, Rights, TransferMode};
use capos_kernel_core::{
    caps::ObjectKind,
    ipc::{Caller, Machine, ObjectCall, Place, Reply},
};

use context::Context;
use failure::Failure;
use message::Answer;
use parameters::Segments;
pub use services::Services;
pub(crate) use spawn::open as open_process;

/// A call's parameters.
type Parameters<'a> = Reader<Segments<'a>>;

/// Serves a call to a kernel object.
pub(crate) fn serve(kernel: &mut Kernel, call: &ObjectCall) {
    kernel.stretches.call = Some((call.kind, call.method));
    let mut buffers = core::mem::take(&mut kernel.services.buffers);
    let outcome = answer(kernel, call, &mut buffers);
    // The call may have ended its own process.
    if kernel.system.process_id(call.caller.process).is_some() {
        reply(kernel, &call.caller, outcome, &buffers.results);
    }
    kernel.services.buffers = buffers;
}

/// Answers a call with the outcome of a method and its results, unless it is answered later.
fn reply(kernel: &mut Kernel, caller: &Caller, outcome: Result<Answer, Failure>, results: &services::Words) {
    let handle;
    let reply = match outcome {
        Ok(Answer::Empty) => Reply::EMPTY,
        Ok(Answer::Results { bytes, cap }) => {
            handle = cap;
            Reply::Results(results.bytes(bytes), handle.as_slice())
        }
        Ok(Answer::Later) => return,
        Err(Failure { code, text }) => Reply::Exception(code, text),
    };
    kernel.ipc.reply(&mut kernel.system, caller, reply);
}

/// Answers a call from an event or a step of work, with the outcome of `build`, which has the buffer for results.
fn reply_later(
    kernel: &mut Kernel,
    caller: &Caller,
    build: impl FnOnce(&mut Kernel, &mut [Word]) -> Result<Answer, Failure>,
) {
    let mut buffers = core::mem::take(&mut kernel.services.buffers);
    let outcome = build(kernel, buffers.results.words());
    reply(kernel, caller, outcome, &buffers.results);
    kernel.services.buffers = buffers;
}

/// Gives a process a capability for a new object, which is lost if there is no room.
fn give(
    kernel: &mut Kernel,
    process: u32,
    kind: ObjectKind,
    payload: u64,
    rights: Rights,
) -> Result<Handle, Failure> {
    let inserted = kernel.ipc.caps.insert_new(process, kind, payload, rights);
    let (handle, _) = inserted.inspect_err(|_| {
        kernel.system.object_lost(kind, payload);
        // An interrupt leaves its queue.
        while let Some(queue) = kernel.system.take_dead_queue() {
            kernel.ipc.remove_queue(queue);
        }
    })?;
    Ok(handle)
}

/// Reads the parameters and calls the object's method.
fn answer(
    kernel: &mut Kernel,
    call: &ObjectCall,
    buffers: &mut services::Buffers,
) -> Result<Answer, Failure> {
    if call.send.cap_count == 0 {
        answer_with(kernel, call, &[], buffers)
    } else {
        answer_with_caps(kernel, call, buffers)
    }
}

/// As [`answer`], for a call that brings capabilities. Separate because zeroing space for the longest list is
/// expensive.
#[inline(never)]
fn answer_with_caps(
    kernel: &mut Kernel,
    call: &ObjectCall,
    buffers: &mut services::Buffers,
) -> Result<Answer, Failure> {
    let mut caps = [CapDescriptor::default(); MAX_MESSAGE_CAPS as usize];
    let caps = caps.get_mut(..call.send.cap_count as usize).ok_or(ErrorCode::BadCapabilityList)?;
    read_caps(kernel, call, caps)?;
    answer_with(kernel, call, caps, buffers)
}

/// As [`answer`], with the call's capability list.
fn answer_with(
    kernel: &mut Kernel,
    call: &ObjectCall,
    caps: &[CapDescriptor],
    buffers: &mut services::Buffers,
) -> Result<Answer, Failure> {
    let parameters_at = buffers.parameters.bytes(0).as_ptr().addr();
    let parameters = read_parameters(kernel, call, &mut buffers.parameters)?;
    let table = cap_table::parameters(caps.len());
    let results = buffers.results.words();
    let mut context = Context { kernel, call, caps, parameters_at, table: &table, results };
    let answer = dispatch(&mut context, &parameters)?;
    release_moved(context.kernel, call, caps);
    Ok(answer)
}

fn dispatch<'a>(context: &mut Context<'a>, parameters: &'a Parameters<'_>) -> Result<Answer, Failure> {
    match context.call.kind {
        ObjectKind::Console => console::serve(context, parameters),
        ObjectKind::Timer => timer::serve(context, parameters),
        ObjectKind::WallClock => wall_clock::serve(context),
        ObjectKind::EntropySource => entropy::serve(context, parameters),
        ObjectKind::VirtualMemory => virtual_memory::serve(context, parameters),
        ObjectKind::MemoryObject => memory_object::serve(context),
        ObjectKind::ProcessSpawner => process_spawner::serve(context, parameters),
        ObjectKind::Process => process::serve(context),
        ObjectKind::ThreadSpawner => thread_spawner::serve(context, parameters),
        ObjectKind::EndpointFactory => endpoint_factory::serve(context),
        ObjectKind::Power => power::serve(context, parameters),
        ObjectKind::Diagnostics => diagnostics::serve(context, parameters),
        ObjectKind::PciBus => pci_bus::serve(context, parameters),
        ObjectKind::PciDevice => pci_device::serve(context, parameters),
        ObjectKind::Interrupt => interrupt::serve(context),
        ObjectKind::CodeFactory => code_factory::serve(context, parameters),
        // Calls to endpoints are not dispatched here.
        ObjectKind::Endpoint => Err(Failure::UNIMPLEMENTED),
    }
}

/// Copies a call's capability list out of the caller's memory.
fn read_caps(kernel: &mut Kernel, call: &ObjectCall, caps: &mut [CapDescriptor]) -> Result<(), Failure> {
    let from = Place { process: call.caller.process, address: call.send.caps };
    kernel.system.read_descriptors(from, caps).map_err(|_| Failure::code(ErrorCode::BadAddress))?;
    kernel.ipc.caps.check_list(call.caller.process, caps)?;
    Ok(())
}

/// Copies a call's parameters out of the caller's memory.
fn read_parameters<'a>(
    kernel: &mut Kernel,
    call: &ObjectCall,
    buffer: &'a mut services::Words,
) -> Result<Parameters<'a>, Failure> {
    read_message(kernel, call.caller.process, call.send, buffer)
}

/// Copies a message out of a process's memory.
fn read_message<'a>(
    kernel: &mut Kernel,
    process: u32,
    send: capos_kernel_core::ring::Outgoing,
    buffer: &'a mut services::Words,
) -> Result<Parameters<'a>, Failure> {
    let bytes = buffer.bytes_mut(send.length as usize);
    kernel.system.copy_in(process, send.address, bytes)?;
    Ok(parameters::parse(bytes)?)
}

/// Capabilities that were moved to the kernel are released once the call has succeeded. Those moved into a new
/// process have left the table already.
fn release_moved(kernel: &mut Kernel, call: &ObjectCall, caps: &[CapDescriptor]) {
    for descriptor in caps.iter().filter(|descriptor| descriptor.mode == TransferMode::Move as u32) {
        let handle = Handle(descriptor.handle);
        let _ = kernel.ipc.release(&mut kernel.system, call.caller.process, handle);
    }
}
