//! Randomness through the grant "entropy".

use super::errno::{fail, from_code};
use crate::bootstrap;
use crate::methods::ENTROPY_FILL;
use crate::ring::SyncBuffer;
use capos_schema::{entropy_capnp::entropy_source, grants};
use core::sync::atomic::{AtomicBool, Ordering};
use hermit_abi::errno;
use std::slice;

const ENTROPY_SOURCE: u64 = grants::ENTROPY.interface_id;
/// Maximum bytes per call.
const FILL_BYTES: usize = 1024;

/// Whether the program's `main` has been reached.
static STARTED: AtomicBool = AtomicBool::new(false);

/// From now on, randomness comes only from the entropy source.
pub(super) fn started() {
    STARTED.store(true, Ordering::Relaxed);
}

/// Fills `target`. Without the grant: `EPERM`, the one error that `std` reports by name when it panics
/// (`HashMap::new` needs keys).
#[unsafe(no_mangle)]
unsafe extern "C" fn sys_read_entropy(target: *mut u8, length: usize, flags: u32) -> isize {
    if flags != 0 {
        return fail(errno::EINVAL) as isize;
    }
    // SAFETY: the caller passes `length` writable bytes, which are not read here.
    let target = unsafe { slice::from_raw_parts_mut(target, length) };
    if !STARTED.load(Ordering::Relaxed) {
        // Keys of the map for the environment; see `main` in `start`.
        target.fill(0);
        return length as isize;
    }
    let source = bootstrap::get().and_then(|bootstrap| bootstrap.find(grants::ENTROPY.name));
    let Some((source, ENTROPY_SOURCE)) = source else {
        return fail(errno::EPERM) as isize;
    };
    for part in target.chunks_mut(FILL_BYTES) {
        let mut buffer = SyncBuffer::<8, { FILL_BYTES / 8 + 8 }>::new();
        let reply = buffer.call(source, ENTROPY_FILL, None, |root| {
            root.init_as::<entropy_source::fill_params::Builder<'_>>().set_length(part.len() as u32);
        });
        let filled = match reply {
            Ok(reply) => reply.read(|root| {
                let bytes = root.get_as::<entropy_source::fill_results::Reader<'_>>()?.get_bytes()?;
                if bytes.len() == part.len() {
                    part.copy_from_slice(bytes);
                }
                Ok(bytes.len() == part.len())
            }),
            Err(code) => return fail(from_code(code)) as isize,
        };
        if filled != Some(true) {
            return fail(errno::EIO) as isize;
        }
    }
    length as isize
}
