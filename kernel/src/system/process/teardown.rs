//! Releasing the resources of an ended process: in steps, by the thread that caused the end.

use super::{Process, ProcessId};
use crate::{
    budget::Budget,
    kernel::Kernel,
    mm::AddressSpace,
    system::{System, thread::Job},
};

/// The progress of a process's teardown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Its threads end, and their pending operations fail.
    Threads,
    /// The calls that it serves fail, and its capabilities are dropped.
    Calls,
    /// Callers that wait for endpoints or objects that ended with the process are notified.
    ClearingUp,
    /// Its pages and page tables are unmapped and freed.
    Space,
    /// Memory objects without any remaining reference are freed.
    Freeing,
    /// Callers that wait for its end are answered.
    Waiters,
    /// Only the record is left.
    Closed,
}

impl Phase {
    const fn next(self) -> Self {
        match self {
            Self::Threads => Self::Calls,
            Self::Calls => Self::ClearingUp,
            Self::ClearingUp => Self::Space,
            Self::Space => Self::Freeing,
            Self::Freeing => Self::Waiters,
            Self::Waiters | Self::Closed => Self::Closed,
        }
    }
}

impl Process {
    /// Whether everything is released, so that the end can be reported.
    pub(crate) fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }
}

impl System {
    /// Makes the current thread tear down a process that has ended.
    pub(super) fn begin_teardown(&mut self, id: ProcessId) {
        self.forget_address_space(id);
        match self.current_thread() {
            Some(current) if !self.has_job(current) => self.give_job(current, Job::End(id)),
            _ => self.orphan_teardown(id),
        }
    }

    /// Leaves the teardown of a process to whichever thread next completes another teardown.
    pub(in crate::system) fn orphan_teardown(&mut self, id: ProcessId) {
        let next = self.processes.orphans.replace(id);
        if let Some(process) = self.processes.get_mut(id) {
            process.next_orphan = next;
        }
    }

    fn take_orphan(&mut self) -> Option<ProcessId> {
        let orphan = self.processes.orphans?;
        self.processes.orphans =
            self.processes.get_mut(orphan).and_then(|process| process.next_orphan.take());
        Some(orphan)
    }
}

impl Kernel {
    /// Carries out steps of a process's teardown. Returns the process that remains to be torn down: this one, or
    /// one whose teardown was abandoned by its thread.
    pub(in crate::system) fn take_down(&mut self, id: ProcessId, budget: &Budget) -> Option<ProcessId> {
        while let Some(phase) = self.system.processes.get_mut(id).map(|process| process.phase) {
            if phase == Phase::Closed {
                break;
            }
            if phase == Phase::Waiters
                && self.system.current_process() == Some(id)
                && let Some(orphan) = self.system.take_orphan()
            {
                // The thread is removed together with its own process, so that comes last.
                self.system.orphan_teardown(id);
                return Some(orphan);
            }
            let is_done = match phase {
                Phase::Threads => self.end_a_thread(id),
                Phase::Calls => self.close_process_steps(id, budget),
                Phase::ClearingUp => self.clear_up_steps(budget),
                Phase::Space => self.free_space(id, budget),
                Phase::Freeing => self.system.free_own_objects(budget),
                Phase::Waiters => crate::objects::process::tell_a_waiter(self, id),
                Phase::Closed => true,
            };
            if is_done && let Some(process) = self.system.processes.get_mut(id) {
                process.phase = phase.next();
                // In the same step as the last phase: once closed, the process may lose its last capability and thus
                // its record.
                if process.phase == Phase::Closed {
                    self.close(id);
                    break;
                }
            }
            if budget.is_spent() {
                return Some(id);
            }
        }
        // The thread has torn down its own process and was removed with it.
        self.system.current_thread()?;
        self.system.take_orphan()
    }

    /// Ends one thread. The thread that executes the teardown remains until the end, but its pending operations are
    /// cancelled. `true` if none was left.
    fn end_a_thread(&mut self, id: ProcessId) -> bool {
        let current = self.system.current_thread();
        let Some(process) = self.system.processes.get_mut(id) else { return true };
        let Some(thread) = process.threads.pop() else { return true };
        match thread {
            Some(thread) if current == Some(thread) => {
                process.last_thread = current;
                self.ipc.close_thread(&mut self.system, thread.index());
            }
            Some(thread) => self.remove_thread(thread),
            None => {}
        }
        false
    }

    /// Frees pages and page tables. `true` if all are freed.
    fn free_space(&mut self, id: ProcessId, budget: &Budget) -> bool {
        self.system.ending_objects(|System { processes, objects, .. }| {
            processes.get_mut(id).is_none_or(|process| process.space.destroy_step(objects, budget))
        })
    }

    /// Only the record is left; it stays while there is a capability for the process.
    fn close(&mut self, id: ProcessId) {
        let Some(process) = self.system.processes.get_mut(id) else { return };
        process.space = AddressSpace::ended();
        let (cause, last_thread) = (process.end, process.last_thread.take());
        if Some(id) == self.init
            && let Some(cause) = cause
        {
            crate::boot::init_ended(cause);
        }
        if let Some(thread) = last_thread {
            self.remove_thread(thread);
        }
        self.system.processes.free_if_done(id);
    }
}
