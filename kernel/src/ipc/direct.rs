//! The fast path of `CapEnter`: one call, or one reply and the next receive, by a thread without unread
//! completions.

use crate::{
    arch::Resume,
    kernel::Kernel,
    objects,
    syscall::failure,
    system::thread::{Enter, Thread},
};
use capos_abi::COMPLETION_ENTRIES;
use capos_kernel_core::{
    ipc::{Direct, Machine, ObjectCall, Party},
    ring::plain,
};
use core::hint::cold_path;

impl Kernel {
    /// Takes a CALL, or a RETURN and a RECV in either order, on the fast path. Returns what to resume, or `None`, without
    /// any change, if that is not possible.
    #[inline(always)]
    pub(crate) fn exchange(&mut self, submit: u64, wait_for: u64, deadline_ns: u64) -> Option<Resume> {
        let index = self.system.current_thread()?.index();
        match submit {
            1 if wait_for <= 1 => self.exchange_call(index, wait_for, deadline_ns),
            2 if wait_for == 1 => self.exchange_answer(index, deadline_ns),
            _ => {
                cold_path();
                None
            }
        }
    }

    #[inline(always)]
    fn exchange_call(&mut self, index: u32, wait_for: u64, deadline_ns: u64) -> Option<Resume> {
        let thread = self.system.thread_at(index)?;
        let (ring, head) = (thread.ring(), thread.submission_head());
        let call = plain::call(ring.submission(head))?;
        let party = self.begin_exchange(index, 1, deadline_ns)?;
        let direct = self.ipc.call_waiting(&mut self.system, party, &call);
        self.end_exchange(index, head.wrapping_add(1), wait_for, deadline_ns, direct)
    }

    #[inline(always)]
    fn exchange_answer(&mut self, index: u32, deadline_ns: u64) -> Option<Resume> {
        let thread = self.system.thread_at(index)?;
        let (ring, head) = (thread.ring(), thread.submission_head());
        let answer = plain::answer(ring.submission(head), ring.submission(head.wrapping_add(1)))?;
        let party = self.begin_exchange(index, 2, deadline_ns)?;
        let direct = self.ipc.answer_and_wait(&mut self.system, party, &answer);
        self.end_exchange(index, head.wrapping_add(2), 1, deadline_ns, direct)
    }

    /// The thread at `index`, if its submissions are `count` entries and nothing else must be done first.
    #[inline(always)]
    fn begin_exchange(&mut self, index: u32, count: u32, deadline_ns: u64) -> Option<Party> {
        let thread = self.system.thread_at(index)?;
        let may_begin = thread.has_only(count) && !self.ipc.has_work() && thread.can_wait_until(deadline_ns);
        may_begin.then_some(Party { thread: index, process: thread.process().index() })
    }

    /// Posts pending completions, and lets the thread at `index`, whose next submission is `head`, wait for a completion
    /// or continue. Returns what to resume.
    #[inline(always)]
    fn end_exchange(
        &mut self,
        index: u32,
        head: u32,
        wait_for: u64,
        deadline_ns: u64,
        direct: Direct,
    ) -> Option<Resume> {
        let (to, entry) = match direct {
            Direct::Taken(to, entry) => (to, entry),
            Direct::Silent => {
                self.system.thread_at(index)?.leave_ring(head, wait_for, deadline_ns);
                self.stop_if(wait_for);
                return Some(self.choose_next());
            }
            Direct::Declined => return None,
            Direct::Object(call) => return self.exchange_object(index, head, wait_for, deadline_ns, &call),
        };
        if wait_for != 0 && self.system.may_switch() {
            let wait = |from: &mut Thread| from.leave_ring(head, 1, deadline_ns);
            let resume = self.system.post_and_switch(index, wait, to, &entry);
            return Some(resume.unwrap_or_else(|| self.choose_next()));
        }
        self.system.thread_at(index)?.leave_ring(head, wait_for, deadline_ns);
        self.system.complete(to, &entry);
        self.stop_if(wait_for);
        Some(self.choose_next())
    }

    /// Stops the current thread if it waits for completions.
    #[inline(always)]
    fn stop_if(&mut self, wait_for: u64) {
        if wait_for != 0 {
            self.system.stop_current();
        }
    }

    /// Lets a kernel object answer the only entry of a `CapEnter`.
    #[inline(never)]
    fn exchange_object(
        &mut self,
        index: u32,
        head: u32,
        wait_for: u64,
        deadline_ns: u64,
        call: &ObjectCall,
    ) -> Option<Resume> {
        let id = self.system.current_thread().filter(|id| id.index() == index)?;
        if self.ipc.outstanding(index) >= COMPLETION_ENTRIES {
            return None;
        }
        objects::serve(self, call);
        if self.system.current_thread() == Some(id)
            && let Err(error) = self.after_entries(id, head, Enter { submit: 0, wait_for, deadline_ns })
        {
            self.system.set_current_result(failure(error));
        }
        Some(self.choose_next())
    }
}
