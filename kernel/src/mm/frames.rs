//! Allocation and contents of physical frames.

use super::{physmap, trial};
use crate::arch::Lock;
use capos_kernel_core::{
    frames::{FrameAllocator, RunSearch, Searched},
    walk::{Flaw, Walk},
};
use core::sync::atomic::{AtomicU64, Ordering};
use x86_64::PhysAddr;

/// Bytes in a frame.
pub const FRAME_BYTES: usize = 4096;
/// Frames that only the kernel may allocate, so that its own bookkeeping never fails because a process took
/// the last frame.
pub(super) const KERNEL_RESERVE: u64 = 64;

/// Words of the bitmap examined in one step of a search.
const SEARCHED_WORDS: usize = 512;

static FRAMES: Lock<Option<FrameAllocator>> = Lock::new(None);
/// Number of frames that the kernel allocated for itself.
static KERNEL_FRAMES: AtomicU64 = AtomicU64::new(0);

/// A frame of physical memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame(u32);

impl Frame {
    /// No frame. Physical page 0 is never allocated.
    pub(super) const NONE: Self = Self(0);

    /// The frame with this number, if it is valid.
    pub fn numbered(number: u64) -> Option<Self> {
        u32::try_from(number).ok().map(Self)
    }

    /// The frame at `address`, which must be a multiple of the frame size.
    #[expect(clippy::cast_possible_truncation, reason = "32 bits of frame number reach 16 TiB")]
    pub fn at(address: PhysAddr) -> Self {
        Self((address.as_u64() / FRAME_BYTES as u64) as u32)
    }

    /// Its physical address.
    #[inline]
    pub fn address(self) -> PhysAddr {
        PhysAddr::new_truncate(u64::from(self.0) * FRAME_BYTES as u64)
    }

    /// The frame `count` frames after it.
    #[expect(clippy::cast_possible_truncation, reason = "32 bits of frame number reach 16 TiB")]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.wrapping_add(count as u32))
    }

    /// Fills it with zeroes.
    #[inline]
    pub fn zero(self) {
        // SAFETY: the direct map covers the whole frame; only the caller's new owner uses its contents.
        unsafe { crate::arch::zero_words(physmap::pointer::<u64>(self.address()), FRAME_BYTES / 8) };
    }

    /// Copies bytes out of it. The range must be within the frame.
    #[inline]
    pub fn read(self, offset: usize, into: &mut [u8]) {
        assert!(offset <= FRAME_BYTES && into.len() <= FRAME_BYTES - offset, "read beyond a frame");
        // SAFETY: the source is within the frame (asserted), which the direct map covers.
        unsafe {
            let from = physmap::pointer::<u8>(self.address()).add(offset);
            crate::arch::copy_bytes(from, into.as_mut_ptr(), into.len());
        }
    }

    /// Copies bytes into it. The range must be within the frame.
    #[inline]
    pub fn write(self, offset: usize, from: &[u8]) {
        assert!(offset <= FRAME_BYTES && from.len() <= FRAME_BYTES - offset, "write beyond a frame");
        // SAFETY: the destination is within the frame (asserted), which the direct map covers; a `Frame` never
        // refers to kernel memory managed by Rust.
        unsafe {
            let into = physmap::pointer::<u8>(self.address()).add(offset);
            crate::arch::copy_bytes(from.as_ptr(), into, from.len());
        }
    }

    /// Copies bytes from another frame. Both ranges must be within their frames.
    #[inline]
    pub fn copy_from(self, offset: usize, source: Self, source_offset: usize, length: usize) {
        assert!(
            length <= FRAME_BYTES && offset <= FRAME_BYTES - length && source_offset <= FRAME_BYTES - length,
            "copy beyond a frame"
        );
        // SAFETY: both ranges are within their frames (asserted); `copy` allows them to overlap, and different frames do
        // not.
        unsafe {
            let from = physmap::pointer::<u8>(source.address()).add(source_offset);
            let into = physmap::pointer::<u8>(self.address()).add(offset);
            if self == source {
                core::ptr::copy(from, into, length);
            } else {
                crate::arch::copy_bytes(from, into, length);
            }
        }
    }
}

/// Starts frame allocation with an allocator of the free frames.
pub(super) fn init(allocator: FrameAllocator) {
    *FRAMES.lock() = Some(allocator);
}

fn with<R>(f: impl FnOnce(&mut FrameAllocator) -> R) -> R {
    f(FRAMES.lock().as_mut().expect("frame allocation begins before anything asks for a frame"))
}

/// A frame for a process, with undefined contents. Leaves the kernel's reserve alone.
#[inline]
pub fn allocate() -> Option<Frame> {
    if trial::fails() {
        return None;
    }
    with(|frames| if frames.free() > KERNEL_RESERVE { take(frames) } else { None })
}

/// Continues a search for contiguous frames for a process. Leaves the kernel's reserve alone.
pub fn search_step(search: &mut RunSearch) -> Searched {
    if trial::fails() {
        return Searched::Nothing;
    }
    with(|frames| match frames.free().checked_sub(KERNEL_RESERVE) {
        Some(room) if room >= search.count() => frames.search_step(search, SEARCHED_WORDS),
        _ => Searched::Nothing,
    })
}

/// Frees contiguous frames.
pub fn release_run(first: Frame, count: u64) {
    let released = with(|frames| frames.release_run(first.0.into(), count));
    assert!(released, "{count} frames from {first:?} on were given back, some of them twice");
}

/// A frame for the kernel itself, with undefined contents.
pub fn allocate_for_kernel() -> Option<Frame> {
    if trial::fails() {
        return None;
    }
    let frame = with(take)?;
    KERNEL_FRAMES.fetch_add(1, Ordering::Relaxed);
    Some(frame)
}

/// Frees a frame that the kernel allocated for itself.
pub(super) fn release_from_kernel(frame: Frame) {
    KERNEL_FRAMES.fetch_sub(1, Ordering::Relaxed);
    release(frame);
}

/// Number of frames that the kernel has allocated for itself.
pub fn kernel_count() -> u64 {
    KERNEL_FRAMES.load(Ordering::Relaxed)
}

#[inline]
fn take(frames: &mut FrameAllocator) -> Option<Frame> {
    frames.allocate().and_then(|number| u32::try_from(number).ok()).map(Frame)
}

/// Frees a frame. It must have been allocated here and must not be mapped any more.
#[inline]
pub fn release(frame: Frame) {
    let released = with(|frames| frames.release(frame.0.into()));
    assert!(released, "frame {frame:?} was given back twice");
}

/// Whether there are `count` frames besides the kernel's reserve.
pub fn has_room(count: u64) -> bool {
    with(|frames| frames.free() >= count + KERNEL_RESERVE)
}

/// Whether only the kernel's reserve is left, so that nothing new should be started.
pub fn is_low() -> bool {
    with(|frames| frames.free() <= KERNEL_RESERVE)
}

/// Number of free frames and of all frames.
pub fn counts() -> (u64, u64) {
    with(|frames| (frames.free(), frames.total()))
}

/// Checks that the allocator's records are consistent.
///
/// # Errors
/// The first inconsistency found.
pub fn check(walk: &mut Walk<'_>) -> Result<(), Flaw> {
    with(|frames| frames.check(walk))
}
