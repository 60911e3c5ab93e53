//! A thread's ring, and the kernel's position in it.

use super::{Thread, ThreadId, Threads, Wait, wait::RunState};
use crate::{mm::Ring, syscall::failure};
use capos_abi::{CompletionEntry, ErrorCode};
use capos_kernel_core::ring::{unread_completions, waiting_submissions};

/// The kernel's own positions in a thread's ring. Values writable by userspace are never read back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RingPosition {
    /// Next submission to take.
    submission_head: u32,
    /// One past the last completion.
    completion_tail: u32,
}

impl Threads {
    /// Posts a completion to a thread. If that ended its wait, it is ready now; then returns it and its priority.
    #[inline(always)]
    pub(in crate::system) fn post(&mut self, thread: u32, entry: &CompletionEntry) -> Option<(ThreadId, u8)> {
        let (id, thread) = self.all.entry_at_mut(thread)?;
        if !thread.post(entry) {
            return None;
        }
        thread.run_state = RunState::Ready;
        Some((id, thread.priority))
    }
}

impl Thread {
    /// The position of the next submission to take.
    #[inline(always)]
    pub(crate) const fn submission_head(&self) -> u32 {
        self.ring_position.submission_head
    }

    /// The ring.
    #[inline(always)]
    pub(crate) const fn ring(&self) -> Ring {
        self.ring
    }

    /// Number of submissions to take.
    ///
    /// # Errors
    /// If the program wrote a position that cannot be.
    #[inline(always)]
    pub(crate) fn waiting_submissions(&self) -> Result<u32, ErrorCode> {
        waiting_submissions(self.ring_position.submission_head, self.ring.submission_tail())
    }

    /// Number of unread completions.
    ///
    /// # Errors
    /// If the program wrote a position that cannot be.
    #[inline(always)]
    pub(crate) fn unread_completions(&self) -> Result<u32, ErrorCode> {
        unread_completions(self.ring.completion_head(), self.ring_position.completion_tail)
    }

    /// Whether exactly `count` submissions are to be taken, and all completions are read.
    #[inline(always)]
    pub(crate) fn has_only(&self, count: u32) -> bool {
        self.ring.submission_tail() == self.ring_position.submission_head.wrapping_add(count)
            && self.ring.completion_head() == self.ring_position.completion_tail
    }

    /// Records that submissions were taken, the next of which is `head`.
    #[inline(always)]
    pub(crate) fn set_submission_head(&mut self, head: u32) {
        self.ring.set_submission_head(head);
        self.ring_position.submission_head = head;
    }

    /// Posts a completion. `true` if that ends the thread's wait: the result of its system call is then set.
    #[inline(always)]
    pub(in crate::system) fn post(&mut self, entry: &CompletionEntry) -> bool {
        let tail = self.ring_position.completion_tail;
        self.ring_position.completion_tail = tail.wrapping_add(1);
        self.ring.set_completion(tail, entry);
        self.ring.set_completion_tail(tail.wrapping_add(1));
        let RunState::Waiting(Wait::Completions(wait_for)) = self.run_state else { return false };
        let result = match self.unread_completions() {
            Ok(unread) if unread < wait_for => return false,
            unread => unread.map_or_else(failure, i64::from),
        };
        self.state.set_result(result);
        true
    }

    /// Ends a `CapEnter` whose entries have been taken, the next of which is `head`: the thread continues, or waits for a
    /// completion.
    #[inline(always)]
    pub(crate) fn leave_ring(&mut self, head: u32, wait_for: u64, deadline_ns: u64) {
        self.set_submission_head(head);
        if wait_for == 0 {
            // The number of unread completions has not changed.
            self.state.set_result(0);
        } else {
            self.wait(Wait::Completions(1), deadline_ns);
        }
    }
}
