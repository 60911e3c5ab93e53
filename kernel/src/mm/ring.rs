//! A thread's ring from the kernel's side: three frames shared with a process that may write anything at any time.
//! So every access is a single copy, and values read are untrusted.

use super::{
    frames::{FRAME_BYTES, Frame},
    physmap,
};
use capos_abi::{
    COMPLETION_ENTRIES, COMPLETION_OFFSET, CompletionEntry, RING_BYTES, RingHeader, SUBMISSION_ENTRIES,
    SUBMISSION_OFFSET, SubmissionEntry,
};
use capos_kernel_core::ring::{ENTRY_WORDS, EntryWords};
use core::{
    mem::offset_of,
    ptr::{with_exposed_provenance, with_exposed_provenance_mut},
    sync::atomic::Ordering,
};

/// Number of frames of a ring.
pub const RING_FRAMES: usize = RING_BYTES / FRAME_BYTES;
const _: () =
    assert!(RING_FRAMES == 3 && SUBMISSION_OFFSET == FRAME_BYTES && COMPLETION_OFFSET == 2 * FRAME_BYTES);

/// A ring: the direct map's addresses of its header, submissions and completions. Their frames belong to the address
/// space of the ring's process and live as long as the thread.
#[derive(Clone, Copy, Debug)]
pub struct Ring {
    header: usize,
    submissions: usize,
    completions: usize,
}

impl Ring {
    pub(crate) fn new(frames: [Frame; RING_FRAMES]) -> Self {
        let [header, submissions, completions] =
            frames.map(|frame| physmap::pointer::<u8>(frame.address()).expose_provenance());
        Self { header, submissions, completions }
    }

    #[inline]
    fn header(&self) -> &RingHeader {
        // SAFETY: the frame lives as long as the thread that owns this ring; the header's fields are atomics, so
        // concurrent stores by userspace are allowed. Its padding is never read.
        unsafe { &*with_exposed_provenance(self.header) }
    }

    /// The submission tail as written by userspace. Writes by the ring's thread before it entered the kernel are visible
    /// in any case; concurrent writes by others need no ordering.
    #[inline]
    pub fn submission_tail(&self) -> u32 {
        self.header().submission_tail.load(Ordering::Relaxed)
    }

    /// Publishes which submissions were taken.
    #[inline]
    pub fn set_submission_head(&self, head: u32) {
        self.header().submission_head.store(head, Ordering::Release);
    }

    /// The completion head as written by userspace.
    #[inline]
    pub fn completion_head(&self) -> u32 {
        self.header().completion_head.load(Ordering::Relaxed)
    }

    /// Publishes the available completions.
    #[inline]
    pub fn set_completion_tail(&self, tail: u32) {
        self.header().completion_tail.store(tail, Ordering::Release);
    }

    /// The submission at a free-running index.
    #[inline(always)]
    pub fn submission(&self, index: u32) -> Submission {
        let slot = (index % SUBMISSION_ENTRIES) as usize;
        // SAFETY: the slot is within the frame.
        Submission(unsafe { with_exposed_provenance::<SubmissionEntry>(self.submissions).add(slot) })
    }

    /// Writes the completion at a free-running index.
    #[inline]
    pub fn set_completion(&self, index: u32, entry: &CompletionEntry) {
        let slot = (index % COMPLETION_ENTRIES) as usize;
        let into = with_exposed_provenance_mut::<CompletionEntry>(self.completions);
        let &CompletionEntry { user_data, status, flags, kind, length, cap_count, token, badge, .. } = entry;
        let status = u64::from(status.cast_unsigned());
        let words = [
            user_data,
            status | u64::from(flags) << 32 | u64::from(kind) << 48,
            u64::from(length) | u64::from(cap_count) << 32,
            token,
            badge,
            entry.interface,
            u64::from(entry.method),
            0,
        ];
        // SAFETY: the slot is within the frame, which the kernel may write, and as long as the words; copied word by
        // word, because the compiler copies a volatile structure twice.
        unsafe {
            let into = into.add(slot).cast::<u64>();
            for (index, word) in words.into_iter().enumerate() {
                into.add(index).write_volatile(word);
            }
        }
    }
}

const _: () = assert!(size_of::<CompletionEntry>() == 64 && offset_of!(CompletionEntry, method) == 48);

/// A submission in place, in a frame that userspace may write at any time. Must be used before its ring is
/// freed.
#[derive(Clone, Copy, Debug)]
pub struct Submission(*const SubmissionEntry);

impl EntryWords for Submission {
    #[inline(always)]
    fn word(&self, index: usize) -> u64 {
        debug_assert!(index < ENTRY_WORDS);
        // SAFETY: `Ring::submission` created it from a slot within its frame, and words are integers. Volatile:
        // userspace may write meanwhile, and nothing may be read twice.
        unsafe { self.0.cast::<u64>().add(index % ENTRY_WORDS).read_volatile() }
    }
}
