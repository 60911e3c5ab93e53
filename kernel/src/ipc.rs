//! Calls between processes: connects the decisions of `capos_kernel_core::ipc` with memory, rings and threads.

mod direct;
mod enter;

use crate::{
    budget::Budget,
    kernel::Kernel,
    system::{System, process::ProcessId, thread::ThreadId},
};
use capos_kernel_core::{ipc::Ipc, work::Work};

/// Number of expired operations to end before the next preemption point.
const EXPIRED_AT_ONCE: u32 = 8;

impl Kernel {
    /// Creates the call state of a new thread. `false` if memory is exhausted.
    pub(crate) fn open_thread_calls(&mut self, thread: ThreadId, process: ProcessId, priority: u8) -> bool {
        self.ipc.open_thread(thread.index(), process.index(), priority).is_ok()
    }

    /// Ends all operations of a thread.
    pub(crate) fn close_thread_calls(&mut self, thread: ThreadId) {
        self.ipc.close_thread(&mut self.system, thread.index());
    }

    /// Continues the current thread's last submission in steps. `true` when it is done.
    pub(crate) fn operation_steps(&mut self, budget: &Budget) -> bool {
        let Some(thread) = self.system.current_thread() else { return true };
        self.ipc_steps(budget, |ipc, system, work| ipc.thread_step(system, thread.index(), work))
    }

    /// Continues, in steps, ending the calls that a process was answering, and its capabilities. `true` when done.
    pub(crate) fn close_process_steps(&mut self, process: ProcessId, budget: &Budget) -> bool {
        self.ipc_steps(budget, |ipc, system, work| ipc.close_process_step(system, process.index(), work))
    }

    /// Continues, in steps, the cleanup after capabilities for which no thread waits. `true` when done.
    pub(crate) fn clear_up_steps(&mut self, budget: &Budget) -> bool {
        self.ipc_steps(budget, |ipc, system, work| ipc.work_step(system, work))
            && self.system.sweep_steps(budget)
    }

    /// Runs steps, each of which returns whether there is more to do, within the budget. `true` when all is done.
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

    /// Ends operations whose deadline has passed, within the budget.
    pub(crate) fn expire_calls(&mut self, now_ns: u64, budget: &Budget) {
        while !budget.is_spent()
            && self.ipc.expire_step(&mut self.system, now_ns, &mut Work::of(EXPIRED_AT_ONCE))
        {}
    }

    /// The earliest relevant deadline of an operation; `u64::MAX` without one.
    #[inline]
    pub(crate) fn next_call_deadline_ns(&self) -> u64 {
        self.ipc.earliest_ns()
    }
}
