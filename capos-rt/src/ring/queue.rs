#![expect(unsafe_code, reason = "the queues are memory shared with the kernel")]

use crate::arch::{self, Port};
use capos_abi::{
    COMPLETION_ENTRIES, COMPLETION_OFFSET, CompletionEntry, ErrorCode, NO_DEADLINE, RingHeader,
    SUBMISSION_ENTRIES, SUBMISSION_OFFSET, SubmissionEntry,
};
use core::ptr::NonNull;
use core::sync::atomic::Ordering;

/// The error for a full submission queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingFull;

/// One thread's submission and completion queues.
///
/// Not `Send`: the kernel ties a ring to its thread.
pub struct Ring {
    base: NonNull<u8>,
    port: Port,
    submission_tail: u32,
    completion_head: u32,
}

impl Ring {
    /// Takes over the ring at `base`.
    ///
    /// # Safety
    /// `base` must be the calling thread's ring, [`capos_abi::RING_BYTES`] of memory with the layout of
    /// `capos_abi`, valid as long as the thread lives, and not used by any other `Ring`.
    #[must_use]
    pub unsafe fn new(base: NonNull<u8>, port: Port) -> Self {
        let mut ring = Self { base, port, submission_tail: 0, completion_head: 0 };
        ring.submission_tail = ring.header().submission_tail.load(Ordering::Relaxed);
        ring.completion_head = ring.header().completion_head.load(Ordering::Relaxed);
        ring
    }

    #[inline(always)]
    fn header(&self) -> &RingHeader {
        // SAFETY: by `new`'s contract the header is valid and aligned, and consists of atomics only.
        unsafe { self.base.cast::<RingHeader>().as_ref() }
    }

    /// Number of entries that the kernel has not taken yet.
    #[must_use]
    #[inline]
    pub fn unsubmitted(&self) -> u32 {
        self.submission_tail.wrapping_sub(self.header().submission_head.load(Ordering::Acquire))
    }

    /// Number of unread completions.
    #[must_use]
    #[inline]
    pub fn unread(&self) -> u32 {
        self.header().completion_tail.load(Ordering::Acquire).wrapping_sub(self.completion_head)
    }

    /// Appends an entry. The kernel sees it at the next [`enter`](Self::enter).
    ///
    /// # Errors
    /// [`RingFull`]: enter first.
    ///
    /// # Safety
    /// Until the operation's completion has been read (or, for entries that complete within their `enter`,
    /// until that returns), `recv_address` and `recv_caps` must refer to memory that nothing else uses, and
    /// `send_address` and `send_caps` to readable memory. Unmapped addresses are safe: the kernel refuses
    /// them.
    #[inline]
    pub unsafe fn push(&mut self, entry: &SubmissionEntry) -> Result<(), RingFull> {
        // SAFETY: the caller's contract is the same.
        unsafe { self.push_below(SUBMISSION_ENTRIES, entry) }
    }

    /// Like [`push`](Self::push), if fewer than `limit` entries are unsubmitted.
    ///
    /// # Safety
    /// As for [`push`](Self::push).
    #[inline(always)]
    pub(crate) unsafe fn push_below(&mut self, limit: u32, entry: &SubmissionEntry) -> Result<(), RingFull> {
        if self.unsubmitted() >= limit.min(SUBMISSION_ENTRIES) {
            return Err(RingFull);
        }
        let index = (self.submission_tail % SUBMISSION_ENTRIES) as usize;
        // SAFETY: the index is below SUBMISSION_ENTRIES, so the entry is in the ring; the kernel does not
        // read it before the tail moves past it.
        unsafe {
            self.base.add(SUBMISSION_OFFSET).cast::<SubmissionEntry>().add(index).write(*entry);
        }
        self.submission_tail = self.submission_tail.wrapping_add(1);
        self.header().submission_tail.store(self.submission_tail, Ordering::Release);
        Ok(())
    }

    /// Submits everything pushed and waits until `wait_for` completions are unread or `deadline_ns` has
    /// passed. Returns the number of unread completions.
    ///
    /// # Errors
    /// The kernel's; [`ErrorCode::BadRing`] if the indices were overwritten.
    pub fn enter(&mut self, wait_for: u32, deadline_ns: u64) -> Result<u32, ErrorCode> {
        let result = arch::cap_enter(&self.port, self.unsubmitted(), wait_for, deadline_ns);
        u32::try_from(result).map_err(|_| {
            i32::try_from(-result).ok().and_then(ErrorCode::from_raw).unwrap_or(ErrorCode::InvalidOpcode)
        })
    }

    /// The oldest unread completion.
    #[inline]
    pub fn pop(&mut self) -> Option<CompletionEntry> {
        let mut entry = CompletionEntry::default();
        self.pop_into(&mut entry).then_some(entry)
    }

    /// Stores the oldest unread completion in `entry`. False if there is none; `entry` is then unspecified.
    #[inline(always)]
    pub(crate) fn pop_into(&mut self, entry: &mut CompletionEntry) -> bool {
        if self.unread() == 0 {
            return false;
        }
        *entry = self.peek(self.completion_head);
        self.completion_head = self.completion_head.wrapping_add(1);
        self.header().completion_head.store(self.completion_head, Ordering::Release);
        true
    }

    #[inline(always)]
    fn slot(&self, position: u32) -> NonNull<CompletionEntry> {
        let index = (position % COMPLETION_ENTRIES) as usize;
        // SAFETY: the index is below COMPLETION_ENTRIES, so the entry is in the ring.
        unsafe { self.base.add(COMPLETION_OFFSET).cast::<CompletionEntry>().add(index) }
    }

    #[inline(always)]
    fn peek(&self, position: u32) -> CompletionEntry {
        // SAFETY: the slot is in the ring, any bits are a valid `CompletionEntry`, and the kernel does not
        // write a slot between head and tail.
        unsafe { self.slot(position).read() }
    }

    /// Submits `entry` and waits for its completion, leaving others unread. Uses no heap, so the heap itself
    /// may call it. `user_data` of the entry must be unique.
    ///
    /// # Errors
    /// The kernel's errors of entering; the operation's own result is in the completion.
    ///
    /// # Safety
    /// As for [`push`](Self::push), until this returns.
    pub unsafe fn call_sync(&mut self, entry: &SubmissionEntry) -> Result<CompletionEntry, ErrorCode> {
        // SAFETY: the caller's contract is that of `push`.
        while unsafe { self.push(entry) }.is_err() {
            self.enter(0, NO_DEADLINE)?;
        }
        let mut searched = self.completion_head;
        let mut wait_for = 0;
        loop {
            let unread = self.enter(wait_for, NO_DEADLINE)?;
            let end = self.completion_head.wrapping_add(unread.min(COMPLETION_ENTRIES));
            while searched != end {
                let completion = self.peek(searched);
                if completion.user_data == entry.user_data {
                    self.take(searched);
                    return Ok(completion);
                }
                searched = searched.wrapping_add(1);
            }
            wait_for = unread + 1;
        }
    }

    /// Removes the unread completion at `position` from the queue. The ones before it move up, so that no slot is
    /// lost: any number of synchronous operations fit while other completions stay unread.
    fn take(&mut self, position: u32) {
        let mut to = position;
        while to != self.completion_head {
            let from = to.wrapping_sub(1);
            let moved = self.peek(from);
            // SAFETY: both slots are between head and tail, where the kernel does not write.
            unsafe { self.slot(to).write_volatile(moved) };
            to = from;
        }
        self.completion_head = self.completion_head.wrapping_add(1);
        self.header().completion_head.store(self.completion_head, Ordering::Release);
    }
}

#[cfg(all(test, not(target_os = "hermit")))]
mod tests {
    use super::*;
    use crate::arch::KernelModel;
    use std::rc::Rc;

    #[repr(C, align(4096))]
    struct Pages([u8; capos_abi::RING_BYTES]);

    /// Memory for a ring, which lives until the process ends.
    fn new_ring() -> NonNull<u8> {
        NonNull::from(Box::leak(Box::new(Pages([0; capos_abi::RING_BYTES])))).cast()
    }

    /// A model that takes entries while their completions fit, and completes them at once.
    struct AtOnce(NonNull<u8>);

    impl KernelModel for AtOnce {
        fn cap_enter(&self, submit: u32, wait_for: u32, _deadline_ns: u64) -> i64 {
            // SAFETY: the ring lives as long as the test, and only this thread uses it.
            let header = unsafe { self.0.cast::<RingHeader>().as_ref() };
            let load = |index: &core::sync::atomic::AtomicU32| index.load(Ordering::Relaxed);
            for _ in 0..submit {
                let unread = load(&header.completion_tail) - load(&header.completion_head);
                if unread == COMPLETION_ENTRIES {
                    break;
                }
                let (head, tail) = (load(&header.submission_head), load(&header.completion_tail));
                // SAFETY: both indices are reduced to the length of their queue.
                unsafe {
                    let entries = self.0.add(SUBMISSION_OFFSET).cast::<SubmissionEntry>();
                    let user_data = entries.add((head % SUBMISSION_ENTRIES) as usize).read().user_data;
                    let completions = self.0.add(COMPLETION_OFFSET).cast::<CompletionEntry>();
                    let completion = CompletionEntry { user_data, ..CompletionEntry::default() };
                    completions.add((tail % COMPLETION_ENTRIES) as usize).write(completion);
                }
                header.submission_head.store(head + 1, Ordering::Relaxed);
                header.completion_tail.store(tail + 1, Ordering::Relaxed);
            }
            let unread = load(&header.completion_tail) - load(&header.completion_head);
            // No further completions would arrive.
            if wait_for > unread { -(ErrorCode::InvalidArgument as i64) } else { unread.into() }
        }
    }

    #[test]
    fn synchronous_operations_take_no_place_from_what_stays_unread() {
        let base = new_ring();
        // SAFETY: `new_ring` returns memory of that size, which nothing else uses.
        let mut ring = unsafe { Ring::new(base, Rc::new(AtOnce(base))) };
        let entry = |user_data| SubmissionEntry { user_data, ..SubmissionEntry::default() };
        for user_data in 0..u64::from(COMPLETION_ENTRIES - 2) {
            // SAFETY: the entries have no addresses.
            unsafe { ring.push(&entry(user_data)) }.expect("room");
            ring.enter(0, NO_DEADLINE).expect("entering");
        }
        for user_data in 1000..1200 {
            // SAFETY: as above.
            let completion = unsafe { ring.call_sync(&entry(user_data)) };
            assert_eq!(completion.map(|completion| completion.user_data), Ok(user_data));
        }
        let left: Vec<u64> =
            std::iter::from_fn(|| ring.pop()).map(|completion| completion.user_data).collect();
        assert!(left.into_iter().eq(0..u64::from(COMPLETION_ENTRIES - 2)), "in their order, and none lost");
    }
}
