//! The first process: found in the boot package, started with every singleton capability. All other processes
//! get what it passes on.

use super::{
    launch::{self, GRANTS},
    refusal::{Refusal, refuse},
};
use crate::{
    arch::MemoryRegion,
    kernel::Kernel,
    mm::{self, ObjectId},
    objects::open_process,
    system::process::{Bootstrap, NewProcess, ProcessId, ProcessLimits, StartError},
};
use alloc::vec::Vec;
use capnp::{message::ReaderOptions, serialize::read_message_from_flat_slice_no_alloc};
use capos_abi::{ErrorCode, Handle, PAGE_SIZE};
use capos_kernel_core::caps::ObjectKind;
use capos_schema::manifest_capnp::boot_package;

/// The first process has the maximum budget; it is trusted to divide the machine.
const LIMITS: ProcessLimits = ProcessLimits { frames: 16384, threads: 16, priority: 31 };

const CAPABILITY_SLOTS: u32 = 4096;

/// Minimum additional memory of a machine that could not start the first process.
const MORE_BYTES: u64 = 1 << 20;

/// Starts the first process from the boot module. Without it the system cannot run, so errors are fatal and
/// reported to the user.
pub(super) fn start(kernel: &mut Kernel, module: MemoryRegion) {
    let (offset, length) = find_image(module).unwrap_or_else(|error| refuse(&Refusal::BadPackage(error)));
    let (first, pages) = mm::module_frames(module);
    let package = kernel.system.objects().wrap_sealed(first, pages).unwrap_or_else(|_| refuse_for_memory());
    let new = NewProcess {
        image: package,
        image_offset: offset,
        image_length: length,
        name: "init",
        limits: LIMITS,
        executable: true,
    };
    let (id, entry) = kernel.system.create_process(&new).unwrap_or_else(|error| no_start(error));
    kernel.init = Some(id);
    let own =
        open_process(kernel, id, new.executable, CAPABILITY_SLOTS).unwrap_or_else(|_| refuse_for_memory());
    let grants = give_capabilities(kernel, id, package).unwrap_or_else(|_| refuse_for_memory());
    let launch = launch::parameters().unwrap_or_else(refuse_for_memory);
    let bootstrap = Bootstrap { grants: &grants, own, launch: &launch };
    kernel.start_process(id, entry, &bootstrap).unwrap_or_else(|error| no_start(error));
}

fn no_start(error: StartError) -> ! {
    match error {
        StartError::OutOfMemory => refuse_for_memory(),
        other => panic!("cannot start the first process: {other:?}"),
    }
}

/// The memory sufficed for the kernel, but not for the first process.
fn refuse_for_memory<T>() -> T {
    let found = mm::frames::counts().1 * PAGE_SIZE;
    refuse(&Refusal::Memory { found, needed: found + MORE_BYTES })
}

/// Location of the first program in the module: offset and length in bytes.
fn find_image(module: MemoryRegion) -> capnp::Result<(u64, u64)> {
    let bytes = mm::module_bytes(module);
    // Data counts against the traversal limit; each part of the package is read once.
    let options = ReaderOptions { traversal_limit_in_words: Some(bytes.len()), nesting_limit: 16 };
    let message = read_message_from_flat_slice_no_alloc(&mut &*bytes, options)?;
    let image = message.get_root::<boot_package::Reader<'_>>()?.get_init()?;
    let offset = image.as_ptr().addr().saturating_sub(bytes.as_ptr().addr());
    Ok((offset as u64, image.len() as u64))
}

/// Gives the first process the capabilities in [`GRANTS`], in order.
fn give_capabilities(
    kernel: &mut Kernel,
    id: ProcessId,
    package: ObjectId,
) -> Result<Vec<Handle>, ErrorCode> {
    let mut handles = Vec::new();
    let caps = &mut kernel.ipc.caps;
    for grant in &GRANTS {
        let payload = if grant.kind == ObjectKind::MemoryObject { package.pack() } else { grant.payload };
        handles.push(caps.insert_new(id.index(), grant.kind, payload, grant.rights)?.0);
    }
    Ok(handles)
}
