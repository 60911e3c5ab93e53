//! Calls between processes: the decisions are `capos_kernel_core::ipc`'s; here they meet memory, rings and threads.

mod direct;
mod enter;
mod machine;

use crate::{
    kernel::{Kernel, System},
    process::ProcessId,
    thread::ThreadId,
    work::Budget,
};
use capos_kernel_core::{ipc::Ipc, ring::unread_completions, work::Work};

/// How many operations whose deadline has passed end before the next look at the time.
const EXPIRED_AT_ONCE: u32 = 8;

/// The kernel's own positions in a thread's ring. What userspace can write is never read back.
#[derive(Clone, Copy, Debug, Default)]
pub struct RingPosition {
    /// Next submission to take.
    submission_head: u32,
    /// One past the last completion.
    completion_tail: u32,
}

impl Kernel {
    /// Removes the queues of objects that ended otherwise than by losing their last capability.
    pub(crate) fn remove_dead_queues(&mut self) {
        while let Some(queue) = self.system.pci.take_dead_queue() {
            self.ipc.remove_queue(queue);
        }
    }

    /// Opens the place of a new thread's calls. `false` when memory is used up.
    pub(crate) fn open_thread_calls(&mut self, thread: ThreadId, process: ProcessId) -> bool {
        let priority = self.system.threads.get(thread).map_or(0, |thread| thread.priority);
        self.ipc.open_thread(thread.index(), process.index(), priority).is_ok()
    }

    /// Ends whatever a thread has under way.
    pub(crate) fn close_thread_calls(&mut self, thread: ThreadId) {
        self.ipc.close_thread(&mut self.system, thread.index());
    }

    /// Takes steps of what the current thread's last submission asks for. `true` when it is done.
    pub(crate) fn operation_steps(&mut self, budget: &Budget) -> bool {
        let Some(thread) = self.system.current_thread() else { return true };
        self.ipc_steps(budget, |ipc, system, work| ipc.thread_step(system, thread.index(), work))
    }

    /// Takes steps of ending the calls that a process was answering, and its capabilities. `true` when it is done.
    pub(crate) fn close_process_steps(&mut self, process: ProcessId, budget: &Budget) -> bool {
        self.ipc_steps(budget, |ipc, system, work| ipc.close_process_step(system, process.index(), work))
    }

    /// Takes steps of what follows from the end of capabilities and that nobody waits for. `true` when it is done.
    pub(crate) fn clear_up_steps(&mut self, budget: &Budget) -> bool {
        self.ipc_steps(budget, |ipc, system, work| ipc.work_step(system, work))
            && self.system.sweep_steps(budget)
    }

    /// Takes steps, of which each says whether there is more to do, as far as the budget goes. `true` when all is done.
    fn ipc_steps(
        &mut self,
        budget: &Budget,
        mut step: impl FnMut(&mut Ipc, &mut System, &mut Work) -> bool,
    ) -> bool {
        while step(&mut self.ipc, &mut self.system, &mut Work::step()) {
            if budget.is_spent() {
                return false;
            }
        }
        true
    }

    /// Ends operations whose deadline has passed, as far as the budget goes.
    pub(crate) fn expire_calls(&mut self, now_ns: u64, budget: &Budget) {
        while !budget.is_spent()
            && self.ipc.expire_step(&mut self.system, now_ns, &mut Work::of(EXPIRED_AT_ONCE))
        {}
    }

    /// The earliest deadline of an operation that counts now; `u64::MAX` without one.
    #[inline]
    pub(crate) fn next_call_deadline_ns(&self) -> u64 {
        self.ipc.earliest_ns()
    }
}

impl System {
    /// How many completions a thread has not read, as the result of `CapEnter`.
    pub(crate) fn unread_completions(&self, id: ThreadId) -> i64 {
        let Some(thread) = self.threads.get(id) else { return 0 };
        let head = thread.ring.completion_head();
        unread_completions(head, thread.ring_position.completion_tail)
            .map_or_else(crate::syscall::failure, i64::from)
    }
}
