//! Starting a process with capabilities, completely or not at all.

use super::{Context, Failure};
use crate::{
    kernel::Kernel,
    system::process::{Bootstrap, ExitCause, NewProcess, ProcessId},
};
use capos_abi::{CapDescriptor, ErrorCode, Handle, MAX_MESSAGE_CAPS, Rights};
use capos_kernel_core::caps::{ObjectKind, TransferError};

/// Creates a process, moves the grants to it, and starts it. Returns the caller's handle for it.
pub(super) fn spawn(
    context: &mut Context<'_>,
    new: &NewProcess<'_>,
    slots: u32,
    grants: &[CapDescriptor],
    launch: &[u8],
) -> Result<Handle, Failure> {
    let caller = context.call.caller.process;
    let kernel = &mut *context.kernel;
    let (id, entry) = kernel.system.create_process(new)?;
    let result = open(kernel, id, new.executable, slots).and_then(|own| {
        let rights = Rights::READ | Rights::WRITE | Rights::TRANSFER;
        let (handle, _) = kernel.ipc.caps.insert_new(caller, ObjectKind::Process, id.pack(), rights)?;
        start(kernel, caller, id, entry, own, grants, launch).map(|()| handle).inspect_err(|_| {
            // Dropping the last capability of the process removes it.
            let released = kernel.ipc.release(&mut kernel.system, caller, handle);
            debug_assert!(released.is_ok());
        })
    });
    result.inspect_err(|_| {
        kernel.system.end_process(id, ExitCause::Killed);
        kernel.system.process_unreferenced(id);
    })
}

/// Opens a process's capability table and inserts the process's own objects, as in [`Bootstrap::own`].
pub(crate) fn open(
    kernel: &mut Kernel,
    id: ProcessId,
    executable: bool,
    slots: u32,
) -> Result<[Handle; 3], Failure> {
    let process = id.index();
    kernel.ipc.open_process(process, slots)?;
    let mut rights = Rights::READ | Rights::WRITE | Rights::TRANSFER;
    let caps = &mut kernel.ipc.caps;
    let (thread_spawner, _) = caps.insert_new(process, ObjectKind::ThreadSpawner, id.pack(), rights)?;
    let (endpoint_factory, _) = caps.insert_new(process, ObjectKind::EndpointFactory, id.pack(), rights)?;
    rights.set(Rights::EXECUTE, executable);
    let (virtual_memory, _) = caps.insert_new(process, ObjectKind::VirtualMemory, id.pack(), rights)?;
    Ok([virtual_memory, thread_spawner, endpoint_factory])
}

/// Moves the grants and starts the first thread.
fn start(
    kernel: &mut Kernel,
    caller: u32,
    id: ProcessId,
    entry: u64,
    own: [Handle; 3],
    grants: &[CapDescriptor],
    launch: &[u8],
) -> Result<(), Failure> {
    let mut words = [0; MAX_MESSAGE_CAPS as usize];
    let words = words.get_mut(..grants.len()).ok_or(ErrorCode::BadCapabilityList)?;
    let child = id.index();
    kernel.ipc.caps.begin_transfer(caller, child, grants, words).map_err(|error| match error {
        TransferError::Sender(ErrorCode::MissingRights) => {
            Failure::failed("a grant lacks the TRANSFER right (or MINT, if it is to be minted)")
        }
        TransferError::Sender(code) => Failure::code(code),
        TransferError::ReceiverFull => Failure::overloaded("the grants do not fit the capability slots"),
    })?;
    let mut handles = [Handle(0); MAX_MESSAGE_CAPS as usize];
    for (handle, &word) in handles.iter_mut().zip(words.iter()) {
        *handle = Handle(word);
    }
    let bootstrap = Bootstrap { grants: handles.get(..grants.len()).unwrap_or_default(), own, launch };
    match kernel.start_process(id, entry, &bootstrap) {
        Ok(()) => {
            kernel.ipc.caps.commit_transfer(caller, child, grants, words);
            Ok(())
        }
        Err(error) => {
            kernel.ipc.caps.abort_transfer(caller, child, grants, words);
            Err(error.into())
        }
    }
}
