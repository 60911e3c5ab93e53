//! `CapEnter`.

use crate::{
    arch,
    budget::Budget,
    kernel::Kernel,
    objects,
    syscall::failure,
    system::thread::{Enter, Job, ThreadId, Wait},
};
use capos_abi::{COMPLETION_ENTRIES, ErrorCode, NO_DEADLINE};
use capos_kernel_core::ipc::Submitted;
use core::hint::cold_path;

impl Kernel {
    /// Takes submissions of the calling thread, then lets it wait for completions.
    #[inline(always)]
    pub(crate) fn cap_enter(&mut self, submit: u64, wait_for: u64, deadline_ns: u64) {
        let Some(id) = self.system.current_thread() else { return };
        let entered = match submit {
            0 => self.settle(id, wait_for, deadline_ns),
            _ => self.take_submissions(id, submit, wait_for, deadline_ns),
        };
        if let Err(error) = entered {
            cold_path();
            self.system.set_current_result(failure(error));
        }
    }

    /// Continues with the `rest` of a `CapEnter` after entries have been taken, the next of which is `head`: lets the
    /// thread wait, or first do the entries' remaining work.
    #[inline(always)]
    pub(super) fn after_entries(&mut self, id: ThreadId, head: u32, rest: Enter) -> Result<(), ErrorCode> {
        let Some(thread) = self.system.thread_at(id.index()) else { return Ok(()) };
        thread.set_submission_head(head);
        if (self.system.has_work() || self.ipc.has_work()) && self.works_first(id, rest) {
            return Ok(());
        }
        self.settle(id, rest.wait_for, rest.deadline_ns)
    }

    /// Takes up to `submit` entries, as long as their completions are guaranteed to fit the queue, then
    /// continues with the `CapEnter`.
    #[inline(always)]
    fn take_submissions(
        &mut self,
        id: ThreadId,
        submit: u64,
        wait_for: u64,
        deadline_ns: u64,
    ) -> Result<(), ErrorCode> {
        if wait_for > u64::from(COMPLETION_ENTRIES) {
            cold_path();
            return Err(ErrorCode::InvalidArgument);
        }
        let Some(thread) = self.system.thread_at(id.index()) else { return Ok(()) };
        let (ring, mut head) = (thread.ring(), thread.submission_head());
        if submit > u64::from(u32::MAX) {
            cold_path();
            return Err(ErrorCode::InvalidArgument);
        }
        let (unread, waiting) = (thread.unread_completions()?, thread.waiting_submissions()?);
        let Some(submitter) = self.ipc.submitter(id.index()) else { return Ok(()) };
        // Every entry taken uses up one place, whether it completes now or later; userspace can only free more
        // by reading.
        let room = COMPLETION_ENTRIES.saturating_sub(submitter.outstanding() + unread);
        let mut left = u64::from(waiting.min(room)).min(submit);
        let left_out = submit - left;
        let budget = (left > 1).then(Budget::start);
        while left > 0 {
            left -= 1;
            // No entry of the ring ends its thread here; only the kernel objects below can.
            let entry = ring.submission(head);
            let submitted = self.ipc.submit(&mut self.system, submitter, &entry);
            head = head.wrapping_add(1);
            match submitted {
                Submitted::Done => {}
                Submitted::Working => self.system.give_job(id, Job::Operation),
                Submitted::Again => {
                    cold_path();
                    head = head.wrapping_sub(1);
                    left += 1;
                    self.system.put_off(id, Enter { submit: left_out + left, wait_for, deadline_ns });
                }
                Submitted::Object(call) => {
                    objects::serve(self, &call);
                    if self.system.current_thread() != Some(id) {
                        return Ok(());
                    }
                }
            }
            // The entry's remaining work comes first; and a long series of entries lets others run in
            // between.
            if left > 0 && (self.system.has_work() || budget.is_some_and(|budget| budget.is_spent())) {
                cold_path();
                self.system.put_off(id, Enter { submit: left_out + left, wait_for, deadline_ns });
                break;
            }
        }
        self.after_entries(id, head, Enter { submit: left_out + left, wait_for, deadline_ns })
    }

    /// Lets the calling thread do pending kernel work before it continues with the `rest` of its `CapEnter`, if it is
    /// the thread to do that.
    #[cold]
    fn works_first(&mut self, id: ThreadId, rest: Enter) -> bool {
        if self.ipc.has_work() {
            self.system.clear_up(id);
        }
        let has_work = self.system.has_work();
        if has_work {
            self.system.put_off(id, rest);
        }
        has_work
    }

    /// Returns to the thread if enough completions are unread or the deadline has passed, otherwise lets it
    /// wait.
    #[inline(always)]
    fn settle(&mut self, id: ThreadId, wait_for: u64, deadline_ns: u64) -> Result<(), ErrorCode> {
        debug_assert!(self.system.current_thread() == Some(id));
        if wait_for > u64::from(COMPLETION_ENTRIES) {
            cold_path();
            return Err(ErrorCode::InvalidArgument);
        }
        let Some(thread) = self.system.thread_at(id.index()) else { return Ok(()) };
        let unread = thread.unread_completions()?;
        let enough = u64::from(unread) >= wait_for;
        if enough || (deadline_ns != NO_DEADLINE && deadline_ns <= arch::time::now_ns()) {
            thread.set_result(unread.into());
            return Ok(());
        }
        // `wait_for` is at most COMPLETION_ENTRIES.
        let wait = Wait::Completions(u32::try_from(wait_for).unwrap_or(COMPLETION_ENTRIES));
        self.system.block_current(wait, deadline_ns)
    }
}
