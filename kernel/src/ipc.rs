//! Calls between processes: connects the decisions of `capos_kernel_core::ipc` with memory, rings and threads.

mod direct;
mod enter;

use crate::{
    budget::Budget,
    kernel::Kernel,
    system::{System, process::ProcessId},
};
use capos_kernel_core::{ipc::Ipc, work::Work};

impl Kernel {
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
}
