//! The first process: found in the boot package, started with every singleton capability. All others get what it
//! passes on.

use super::launch::{self, GRANTS};
use crate::{
    arch::MemoryRegion,
    ipc::pack,
    kernel::Kernel,
    mm::{self, ObjectId},
    objects::open_process,
    process::{Bootstrap, Limits, NewProcess, ProcessId},
};
use alloc::vec::Vec;
use capnp::{message::ReaderOptions, serialize::read_message_from_flat_slice_no_alloc};
use capos_abi::{ErrorCode, Handle};
use capos_kernel_core::caps::ObjectKind;
use capos_schema::manifest_capnp::boot_package;

/// The first process may use as much as any; it is trusted to divide the machine.
const LIMITS: Limits = Limits { frames: 16384, threads: 16, priority: 31 };

const CAPABILITY_SLOTS: u32 = 4096;

/// Starts the first process from the boot module. Nothing can go on without it, so what goes wrong is fatal and
/// said plainly.
pub(super) fn start(kernel: &mut Kernel, module: Option<MemoryRegion>) {
    let module = module.expect("the boot loader passed no boot package (QEMU: -initrd FILE)");
    let (offset, length) =
        find_image(module).unwrap_or_else(|error| panic!("the boot package is damaged: {error}"));
    let (first, pages) = mm::module_frames(module);
    let package = kernel.objects.wrap(first, pages).expect("memory for the boot package's object");
    let new = NewProcess {
        image: package,
        image_offset: offset,
        image_length: length,
        name: "init",
        limits: LIMITS,
        executable: true,
    };
    let (id, entry) = kernel
        .create_process(&new)
        .unwrap_or_else(|error| panic!("the first process does not load: {error:?}"));
    kernel.init = Some(id);
    let own = open_process(kernel, id, new.executable, CAPABILITY_SLOTS)
        .unwrap_or_else(|_| panic!("no memory for the first process's capabilities"));
    let grants = give_capabilities(kernel, id, package).expect("room for the first process's capabilities");
    let launch = launch::parameters().expect("memory for the first process's launch parameters");
    let bootstrap = Bootstrap {
        grants: &grants,
        virtual_memory: own.virtual_memory,
        thread_spawner: own.thread_spawner,
        endpoint_factory: own.endpoint_factory,
        launch: &launch,
    };
    kernel
        .start_process(id, entry, &bootstrap)
        .unwrap_or_else(|error| panic!("the first process does not start: {error:?}"));
}

/// Where in the module the first program lies: offset and length in bytes.
fn find_image(module: MemoryRegion) -> capnp::Result<(u64, u64)> {
    let bytes = mm::module_bytes(module);
    // Data counts against the traversal limit; each part of the package is read once.
    let options = ReaderOptions { traversal_limit_in_words: Some(bytes.len()), nesting_limit: 16 };
    let message = read_message_from_flat_slice_no_alloc(&mut &*bytes, options)?;
    let image = message.get_root::<boot_package::Reader<'_>>()?.get_init()?;
    let offset = image.as_ptr().addr().saturating_sub(bytes.as_ptr().addr());
    Ok((offset as u64, image.len() as u64))
}

/// Gives the first process what [`GRANTS`] names, in its order.
fn give_capabilities(
    kernel: &mut Kernel,
    id: ProcessId,
    package: ObjectId,
) -> Result<Vec<Handle>, ErrorCode> {
    let mut handles = Vec::new();
    let caps = &mut kernel.ipc().caps;
    for grant in &GRANTS {
        let payload = if grant.kind == ObjectKind::MemoryObject { pack(package) } else { grant.payload };
        handles.push(caps.insert_new(id.index(), grant.kind, payload, grant.rights)?.0);
    }
    Ok(handles)
}
