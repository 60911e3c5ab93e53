//! `CapEnter` for one call, or for one answer and the next call, by a thread that has no completion unread.

use crate::{
    arch::{self, Resume},
    kernel::Kernel,
    mm::Ring,
    objects,
    syscall::failure,
    thread::{RunState, Thread, Wait},
    work::Enter,
};
use capos_abi::{COMPLETION_ENTRIES, Opcode};
use capos_kernel_core::ipc::{Direct, ObjectCall, Submitter};

impl Kernel {
    /// Takes a CALL, or a RETURN and a RECV in either order, the short way. `None`, and nothing is done, if that is not possible; else what to
    /// resume.
    #[inline(always)]
    pub(crate) fn exchange(&mut self, submit: u64, wait_for: u64, deadline_ns: u64) -> Option<Resume> {
        if submit == 0 || wait_for > 1 {
            return None;
        }
        let index = self.system.cpu().current?.index();
        let thread = self.system.threads.at(index)?;
        let first = thread.ring.submission(thread.ring_position.submission_head);
        match (submit, Opcode::from_raw(first.opcode())) {
            (1, Some(Opcode::Call)) if first.cap_count() == 0 => {
                self.exchange_call(index, wait_for, deadline_ns)
            }
            // Nothing is there to receive yet, so the order of the two does not matter.
            (2, Some(first @ (Opcode::Return | Opcode::Recv))) if wait_for == 1 => {
                self.exchange_answer(index, deadline_ns, u32::from(first == Opcode::Recv))
            }
            _ => None,
        }
    }

    #[inline(always)]
    fn exchange_call(&mut self, index: u32, wait_for: u64, deadline_ns: u64) -> Option<Resume> {
        let Begun { submitter, ring, head } = self.begin_exchange(index, 1, deadline_ns)?;
        let entry = ring.submission(head);
        let direct = self.ipc.call_waiting(&mut self.system, submitter, &entry);
        self.end_exchange(index, head.wrapping_add(1), wait_for, deadline_ns, direct)
    }

    #[inline(always)]
    fn exchange_answer(&mut self, index: u32, deadline_ns: u64, answer_at: u32) -> Option<Resume> {
        let Begun { submitter, ring, head } = self.begin_exchange(index, 2, deadline_ns)?;
        let entry = |place| ring.submission(head.wrapping_add(place));
        let (answer, next) = (entry(answer_at), entry(1 - answer_at));
        let direct = self.ipc.answer_and_wait(&mut self.system, submitter, &answer, &next);
        self.end_exchange(index, head.wrapping_add(2), 1, deadline_ns, direct)
    }

    /// The submissions of the thread at `index`, if they are `count` entries and nothing else is to be done first.
    #[inline(always)]
    fn begin_exchange(&mut self, index: u32, count: u32, deadline_ns: u64) -> Option<Begun> {
        let thread = self.system.threads.at(index)?;
        let (ring, position) = (thread.ring, thread.ring_position);
        let submitter = self.ipc.submitter(index)?;
        let head = position.submission_head;
        let is_short = ring.submission_tail() == head.wrapping_add(count)
            && ring.completion_head() == position.completion_tail
            && submitter.outstanding() <= COMPLETION_ENTRIES - count;
        let may_begin = is_short && !self.ipc.has_work() && thread.can_wait_until(deadline_ns);
        may_begin.then_some(Begun { submitter, ring, head })
    }

    /// Posts what is to be posted, and lets the thread at `index`, whose next submission is `head`, wait for a completion or
    /// go on. Returns what to resume.
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
                self.system.threads.at_mut(index)?.leave_ring(head, wait_for, deadline_ns);
                self.system.note_waiting(wait_for);
                return Some(self.choose_next());
            }
            Direct::Declined => return None,
            Direct::Object(call) => return self.exchange_object(index, head, wait_for, deadline_ns, &call),
        };
        let may_switch = wait_for != 0 && self.system.may_switch();
        let (thread, next, target) = self.system.threads.pair_and_id_at_mut(index, to)?;
        thread.leave_ring(head, wait_for, deadline_ns);
        if !target.post(&entry) {
            self.system.note_waiting(wait_for);
            return Some(self.choose_next());
        }
        if may_switch {
            arch::save(&mut thread.state);
            return Some(self.choose_saved(next));
        }
        target.run_state = RunState::Ready;
        let priority = target.priority;
        self.system.make_ready(next, priority);
        self.system.note_waiting(wait_for);
        Some(self.choose_next())
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
        objects::serve(self, call);
        if self.system.current_thread() == Some(id)
            && let Err(error) = self.after_entries(id, head, Enter { submit: 0, wait_for, deadline_ns })
        {
            self.system.set_current_result(failure(error));
        }
        Some(self.choose_next())
    }
}

impl Thread {
    /// Ends a `CapEnter` whose entries have been taken, the next of which is `head`: the thread goes on, or waits for a completion.
    #[inline(always)]
    fn leave_ring(&mut self, head: u32, wait_for: u64, deadline_ns: u64) {
        self.ring.set_submission_head(head);
        self.ring_position.submission_head = head;
        if wait_for == 0 {
            // As many completions are unread as before.
            self.state.set_result(0);
        } else {
            self.wait(Wait::Completions(1), deadline_ns);
        }
    }
}

/// An exchange that nothing stands in the way of.
struct Begun {
    submitter: Submitter,
    ring: Ring,
    head: u32,
}
