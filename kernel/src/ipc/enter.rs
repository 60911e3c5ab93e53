//! `CapEnter`.

use crate::{
    arch,
    kernel::Kernel,
    objects,
    syscall::failure,
    thread::{ThreadId, Wait},
};
use capos_abi::{COMPLETION_ENTRIES, ErrorCode, NO_DEADLINE};
use capos_kernel_core::{
    ipc::Submitted,
    ring::{unread_completions, waiting_submissions},
};

impl Kernel {
    /// Takes submissions of the calling thread, then lets it wait for completions.
    #[inline]
    pub(crate) fn cap_enter(&mut self, submit: u64, wait_for: u64, deadline_ns: u64) {
        let Some(id) = self.current_thread() else { return };
        match self.take_submissions(id, submit, wait_for) {
            Ok(Some(unread)) => self.settle(id, unread, wait_for, deadline_ns),
            // A submission ended the thread.
            Ok(None) => {}
            Err(error) => self.set_current_result(failure(error)),
        }
    }

    /// Takes up to `submit` entries, as long as the completion queue is sure to have room for what they will
    /// complete. Returns how many completions are unread.
    #[inline]
    fn take_submissions(
        &mut self,
        id: ThreadId,
        submit: u64,
        wait_for: u64,
    ) -> Result<Option<u32>, ErrorCode> {
        if submit > u64::from(u32::MAX) || wait_for > u64::from(COMPLETION_ENTRIES) {
            return Err(ErrorCode::InvalidArgument);
        }
        let Some(thread) = self.threads.get(id) else { return Ok(None) };
        let (ring, mut head) = (thread.ring, thread.ring_position.submission_head);
        let unread = unread_completions(ring.completion_head(), thread.ring_position.completion_tail)?;
        if submit == 0 {
            return Ok(Some(unread));
        }
        let waiting = waiting_submissions(head, ring.submission_tail())?;
        // Every entry taken uses up one place, whether it completes now or later; what userspace reads meanwhile
        // only makes more room.
        let room = COMPLETION_ENTRIES.saturating_sub(self.ipc().outstanding(id.index()) + unread);
        let mut left = u64::from(waiting.min(room)).min(submit);
        while left > 0 {
            left -= 1;
            // No entry of the ring ends its thread here: only the objects that are served below can.
            let entry = ring.submission(head);
            let submitted = self.with_ipc(|ipc, kernel| ipc.submit(kernel, id.index(), &entry));
            head = head.wrapping_add(1);
            ring.set_submission_head(head);
            if let Submitted::Object(call) = submitted {
                objects::serve(self, &call);
                if self.current_thread() != Some(id) {
                    return Ok(None);
                }
            }
        }
        let Some(thread) = self.threads.get_mut(id) else { return Ok(None) };
        thread.ring_position.submission_head = head;
        unread_completions(ring.completion_head(), thread.ring_position.completion_tail).map(Some)
    }

    /// Returns to the thread if enough completions are unread or the deadline has passed, else lets it wait.
    #[inline]
    fn settle(&mut self, id: ThreadId, unread: u32, wait_for: u64, deadline_ns: u64) {
        debug_assert!(self.current_thread() == Some(id));
        let enough = u64::from(unread) >= wait_for;
        if enough || (deadline_ns != NO_DEADLINE && deadline_ns <= arch::time::now_ns()) {
            return self.set_current_result(i64::from(unread));
        }
        // `wait_for` is at most COMPLETION_ENTRIES.
        let wait = Wait::Completions(u32::try_from(wait_for).unwrap_or(COMPLETION_ENTRIES));
        if let Err(error) = self.block_current(wait, deadline_ns) {
            self.set_current_result(failure(error));
        }
    }
}
