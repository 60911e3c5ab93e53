//! The bootstrap pages: the parameters with which this process was started.
#![expect(unsafe_code, reason = "reads the pages that the kernel mapped")]

use capnp::message::{Reader, ReaderOptions};
use capnp::serialize::NoAllocSliceSegments;
use capos_abi::{BOOTSTRAP_MAX_BYTES, BootstrapHeader, Handle};
use capos_schema::launch_capnp::launch_parameters;
use std::slice;
use std::sync::OnceLock;

/// The checked bootstrap pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bootstrap {
    header: &'static BootstrapHeader,
    grants: &'static [u64],
    launch: &'static [u8],
}

static BOOTSTRAP: OnceLock<Bootstrap> = OnceLock::new();

/// The process's bootstrap pages, unless it has none (a test on another system).
pub(crate) fn get() -> Option<&'static Bootstrap> {
    BOOTSTRAP.get()
}

/// Installs the pages at `header`; false if they are not valid for this runtime.
///
/// # Safety
/// `header` must be the address that the kernel passed at the start: [`BOOTSTRAP_MAX_BYTES`] of address space
/// whose mapped part contains the header and everything it refers to, read-only for ever.
pub(crate) unsafe fn install(header: *const BootstrapHeader) -> bool {
    // SAFETY: the header is mapped and aligned.
    let checked = unsafe { &*header };
    if checked.magic != BootstrapHeader::MAGIC || checked.version != BootstrapHeader::VERSION {
        return false;
    }
    let within = |offset: u32, bytes: u64| {
        u64::from(offset).checked_add(bytes).is_some_and(|end| end <= BOOTSTRAP_MAX_BYTES)
    };
    let grants_bytes = u64::from(checked.grant_count) * 8;
    if !within(checked.grants_offset, grants_bytes)
        || !within(checked.launch_offset, checked.launch_length.into())
        || checked.grants_offset % 8 != 0
        || checked.launch_offset % 8 != 0
    {
        return false;
    }
    let base = header.cast::<u8>();
    // SAFETY: both ranges are in the bootstrap pages and aligned, as just checked; the kernel mapped
    // everything that its header describes.
    let (grants, launch) = unsafe {
        (
            slice::from_raw_parts(
                base.add(checked.grants_offset as usize).cast(),
                checked.grant_count as usize,
            ),
            slice::from_raw_parts(base.add(checked.launch_offset as usize), checked.launch_length as usize),
        )
    };
    BOOTSTRAP.set(Bootstrap { header: checked, grants, launch }).is_ok()
}

impl Bootstrap {
    pub(crate) fn virtual_memory(&self) -> Handle {
        Handle(self.header.virtual_memory)
    }

    pub(crate) fn thread_spawner(&self) -> Handle {
        Handle(self.header.thread_spawner)
    }

    pub(crate) fn endpoint_factory(&self) -> Handle {
        Handle(self.header.endpoint_factory)
    }

    /// Reads the launch parameters; nothing if they are malformed.
    pub(crate) fn launch<T>(
        &self,
        read: impl FnOnce(launch_parameters::Reader<'_>) -> capnp::Result<T>,
    ) -> Option<T> {
        let mut bytes = self.launch;
        let options = ReaderOptions::new();
        let message = Reader::new(NoAllocSliceSegments::from_slice(&mut bytes, options).ok()?, options);
        read(message.get_root().ok()?).ok()
    }

    /// The grant named `name`: its handle and the type id of its interface.
    pub(crate) fn find(&self, name: &str) -> Option<(Handle, u64)> {
        self.launch(|launch| {
            for (entry, &handle) in launch.get_grants()?.iter().zip(self.grants) {
                if entry.get_name()?.as_bytes() == name.as_bytes() {
                    return Ok(Some((Handle(handle), entry.get_interface_id())));
                }
            }
            Ok(None)
        })?
    }
}
