//! `CapEnter`.

use crate::{
    arch,
    kernel::Kernel,
    objects,
    syscall::failure,
    thread::{ThreadId, Wait},
};
use capos_abi::{COMPLETION_ENTRIES, ErrorCode, NO_DEADLINE, SubmissionEntry};
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
        let mut left = submit;
        let mut entry = SubmissionEntry::default();
        loop {
            let Some(thread) = self.threads.get_mut(id) else { return Ok(None) };
            let ring = thread.ring;
            let unread = unread_completions(ring.completion_head(), thread.ring_position.completion_tail)?;
            if left == 0 {
                return Ok(Some(unread));
            }
            let head = thread.ring_position.submission_head;
            if waiting_submissions(head, ring.submission_tail())? == 0
                || self.outstanding_calls(id) + unread >= COMPLETION_ENTRIES
            {
                return Ok(Some(unread));
            }
            left -= 1;
            if let Some(thread) = self.threads.get_mut(id) {
                thread.ring_position.submission_head = head.wrapping_add(1);
            }
            ring.submission(head, &mut entry);
            ring.set_submission_head(head.wrapping_add(1));
            let submitted = self.with_ipc(|ipc, kernel| ipc.submit(kernel, id.index(), &entry));
            if let Submitted::Object(call) = submitted {
                objects::serve(self, &call);
            }
            if self.current_thread() != Some(id) {
                return Ok(None);
            }
        }
    }

    #[inline]
    fn outstanding_calls(&mut self, id: ThreadId) -> u32 {
        self.ipc().outstanding(id.index())
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
