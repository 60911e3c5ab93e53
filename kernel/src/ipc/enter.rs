//! `CapEnter`.

use crate::{
    arch,
    kernel::Kernel,
    objects,
    syscall::failure,
    thread::{ThreadId, Wait},
    work::{Budget, Enter, Job},
};
use capos_abi::{COMPLETION_ENTRIES, ErrorCode, NO_DEADLINE};
use capos_kernel_core::{
    ipc::Submitted,
    ring::{unread_completions, waiting_submissions},
};
use core::hint::cold_path;

impl Kernel {
    /// Takes submissions of the calling thread, then lets it wait for completions.
    #[inline(always)]
    pub(crate) fn cap_enter(&mut self, submit: u64, wait_for: u64, deadline_ns: u64) {
        let Some(id) = self.current_thread() else { return };
        let entered = match self.take_submissions(id, submit, wait_for, deadline_ns) {
            Ok(Some(head)) => self.settle(id, head, wait_for, deadline_ns),
            // A submission ended the thread, or the rest comes later.
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = entered {
            cold_path();
            self.set_current_result(failure(error));
        }
    }

    /// Takes up to `submit` entries, as long as the completion queue is sure to have room for what they will
    /// complete. Returns the next submission to take.
    #[inline(always)]
    fn take_submissions(
        &mut self,
        id: ThreadId,
        submit: u64,
        wait_for: u64,
        deadline_ns: u64,
    ) -> Result<Option<u32>, ErrorCode> {
        if wait_for > u64::from(COMPLETION_ENTRIES) {
            cold_path();
            return Err(ErrorCode::InvalidArgument);
        }
        let Some(thread) = self.threads.get(id) else { return Ok(None) };
        let (ring, mut head) = (thread.ring, thread.ring_position.submission_head);
        if submit == 0 {
            return Ok(Some(head));
        }
        if submit > u64::from(u32::MAX) {
            cold_path();
            return Err(ErrorCode::InvalidArgument);
        }
        let unread = unread_completions(ring.completion_head(), thread.ring_position.completion_tail)?;
        let waiting = waiting_submissions(head, ring.submission_tail())?;
        let Some(submitter) = self.ipc().submitter(id.index()) else { return Ok(None) };
        // Every entry taken uses up one place, whether it completes now or later; what userspace reads meanwhile
        // only makes more room.
        let room = COMPLETION_ENTRIES.saturating_sub(submitter.outstanding() + unread);
        let mut left = u64::from(waiting.min(room)).min(submit);
        let left_out = submit - left;
        let budget = (left > 1).then(Budget::start);
        while left > 0 {
            left -= 1;
            // No entry of the ring ends its thread here: only the objects that are served below can.
            let entry = ring.submission(head);
            let submitted = self.with_ipc(|ipc, kernel| ipc.submit(kernel, submitter, &entry));
            head = head.wrapping_add(1);
            match submitted {
                Submitted::Done => {}
                Submitted::Working => self.give_job(id, Job::Operation),
                Submitted::Again => {
                    cold_path();
                    head = head.wrapping_sub(1);
                    left += 1;
                    self.put_off(id, Enter { submit: left_out + left, wait_for, deadline_ns });
                }
                Submitted::Object(call) => {
                    objects::serve(self, &call);
                    if self.current_thread() != Some(id) {
                        return Ok(None);
                    }
                }
            }
            // What the entry left to do comes first; and a long row of entries lets others run in between.
            if left > 0 && (self.has_work() || budget.is_some_and(|budget| budget.is_spent())) {
                cold_path();
                self.put_off(id, Enter { submit: left_out + left, wait_for, deadline_ns });
                break;
            }
        }
        ring.set_submission_head(head);
        if self.has_work() || self.ipc().has_work() {
            let rest = Enter { submit: left_out + left, wait_for, deadline_ns };
            if self.works_first(id, head, rest) {
                return Ok(None);
            }
        }
        Ok(Some(head))
    }

    /// Lets the calling thread do what there is to do in the kernel before it goes on with the `rest` of its `CapEnter`,
    /// if it is the one to do that.
    #[cold]
    fn works_first(&mut self, id: ThreadId, head: u32, rest: Enter) -> bool {
        if self.ipc().has_work() {
            self.clear_up(id);
        }
        if !self.has_work() {
            return false;
        }
        if !self.has_put_off(id) {
            self.put_off(id, rest);
        }
        if let Some(thread) = self.threads.get_mut(id) {
            thread.ring_position.submission_head = head;
        }
        true
    }

    /// Returns to the thread, whose next submission is `head`, if enough completions are unread or the deadline has
    /// passed, else lets it wait.
    #[inline(always)]
    fn settle(&mut self, id: ThreadId, head: u32, wait_for: u64, deadline_ns: u64) -> Result<(), ErrorCode> {
        debug_assert!(self.current_thread() == Some(id));
        let Some(thread) = self.threads.get_mut(id) else { return Ok(()) };
        thread.ring_position.submission_head = head;
        let unread = unread_completions(thread.ring.completion_head(), thread.ring_position.completion_tail)?;
        let enough = u64::from(unread) >= wait_for;
        if enough || (deadline_ns != NO_DEADLINE && deadline_ns <= arch::time::now_ns()) {
            thread.state.set_result(unread.into());
            return Ok(());
        }
        // `wait_for` is at most COMPLETION_ENTRIES.
        let wait = Wait::Completions(u32::try_from(wait_for).unwrap_or(COMPLETION_ENTRIES));
        if !thread.begin_wait(wait, deadline_ns) {
            return self.block_with_timer(id, wait, deadline_ns);
        }
        self.cpu().current = None;
        Ok(())
    }
}
