//! Runs the runtime over a model of the kernel, on other systems than capOS.
#![expect(unsafe_code, reason = "stands in for the kernel at the start of a thread")]

use crate::arch::Port;
use crate::bootstrap;
use crate::local::{self, Local};
use crate::ring::Ring;
use capos_abi::{BootstrapHeader, RING_BYTES};
use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::ptr::NonNull;

/// Creates the bootstrap pages of all model processes from `pages`; only the first call has an effect. False
/// if they are malformed.
pub fn install_bootstrap(pages: &'static [u64]) -> bool {
    if size_of_val(pages) < size_of::<BootstrapHeader>() {
        return false;
    }
    // SAFETY: the pages are aligned, immutable and live for ever; offsets in them are checked against the
    // maximum size, which a test's pages have.
    unsafe { bootstrap::install(pages.as_ptr().cast()) }
}

/// Memory for a ring, which lives until the process ends.
#[must_use]
pub fn new_ring() -> NonNull<u8> {
    let Ok(layout) = Layout::from_size_align(RING_BYTES, 4096) else { unreachable!("a constant layout") };
    // SAFETY: the layout is not empty.
    match NonNull::new(unsafe { alloc_zeroed(layout) }) {
        Some(ring) => ring,
        None => handle_alloc_error(layout),
    }
}

/// Runs `f` on the calling thread as a thread of a model process whose kernel is behind `port`.
pub fn with_thread<T>(ring: NonNull<u8>, port: Port, f: impl FnOnce() -> T) -> T {
    // SAFETY: `ring` came from `new_ring`, and each call gets another one.
    let local = Box::new(Local::new(unsafe { Ring::new(ring, port) }));
    let local = Box::into_raw(local);
    // SAFETY: the box lives until it is reclaimed below, after `f` has returned.
    local::enter(unsafe { &*local });
    let output = f();
    // SAFETY: came from `into_raw` above.
    drop(unsafe { Box::from_raw(local) });
    output
}
