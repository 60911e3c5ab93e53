//! A thread's ring as the kernel sees it: three frames, shared with a process that may write anything at any time.
//! So every access is a single copy, and nothing read is trusted.

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

/// Frames of a ring.
pub const RING_FRAMES: usize = RING_BYTES / FRAME_BYTES;
const _: () =
    assert!(RING_FRAMES == 3 && SUBMISSION_OFFSET == FRAME_BYTES && COMPLETION_OFFSET == 2 * FRAME_BYTES);

/// One ring: where the direct map has its header, submissions and completions. Their frames belong to the address space of
/// the ring's process and live as long as the thread.
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
        // that concurrent stores by userspace are allowed. Its padding is never read.
        unsafe { &*with_exposed_provenance(self.header) }
    }

    /// One past the last submission, as userspace claims. What the ring's thread wrote before it entered the kernel is seen in
    /// any case; what others write meanwhile is their own affair.
    #[inline]
    pub fn submission_tail(&self) -> u32 {
        self.header().submission_tail.load(Ordering::Relaxed)
    }

    /// Tells userspace which submissions were taken.
    #[inline]
    pub fn set_submission_head(&self, head: u32) {
        self.header().submission_head.store(head, Ordering::Release);
    }

    /// Next completion that userspace reads, as it claims.
    #[inline]
    pub fn completion_head(&self) -> u32 {
        self.header().completion_head.load(Ordering::Relaxed)
    }

    /// Tells userspace which completions are there.
    #[inline]
    pub fn set_completion_tail(&self, tail: u32) {
        self.header().completion_tail.store(tail, Ordering::Release);
    }

    /// The submission at a free-running index.
    #[inline(always)]
    pub fn submission(&self, index: u32) -> Submission {
        let slot = (index % SUBMISSION_ENTRIES) as usize;
        // SAFETY: the slot lies within the frame.
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
        // SAFETY: the slot lies within the frame, which the kernel may write, and is as long as the words; word by word,
        // because the compiler copies a volatile structure twice.
        unsafe {
            let into = into.add(slot).cast::<u64>();
            for (index, word) in words.into_iter().enumerate() {
                into.add(index).write_volatile(word);
            }
        }
    }
}

const _: () = assert!(size_of::<CompletionEntry>() == 64 && offset_of!(CompletionEntry, method) == 48);

/// A submission where it stands, in a frame that userspace writes as it likes. For use before its ring goes.
#[derive(Clone, Copy, Debug)]
pub struct Submission(*const SubmissionEntry);

impl EntryWords for Submission {
    #[inline(always)]
    fn word(&self, index: usize) -> u64 {
        debug_assert!(index < ENTRY_WORDS);
        // SAFETY: `Ring::submission` made it from a slot within its frame, and words are integers. Volatile: userspace
        // may write meanwhile, and nothing may be read twice.
        unsafe { self.0.cast::<u64>().add(index % ENTRY_WORDS).read_volatile() }
    }
}
