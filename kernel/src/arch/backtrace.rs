//! Walks the kernel's stack frames for the log.

use super::image;
use crate::klog;

const MAX_FRAMES: usize = 32;

/// Logs the return addresses from the frame at `frame` outwards.
pub fn log(frame: u64) {
    let mut frame = frame;
    for _ in 0..MAX_FRAMES {
        if !image::is_stack(frame) {
            break;
        }
        // SAFETY: both words are within a kernel stack of the image, which is always mapped.
        let [next, return_address] =
            unsafe { *core::ptr::with_exposed_provenance::<[u64; 2]>(frame as usize) };
        if return_address == 0 {
            break;
        }
        klog!("  called from {return_address:#x}");
        frame = next;
    }
}

/// Logs the return addresses from the caller outwards.
pub fn log_here() {
    let frame: u64;
    // SAFETY: only reads a register; frame pointers are always kept.
    unsafe { core::arch::asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack, preserves_flags)) };
    log(frame);
}
