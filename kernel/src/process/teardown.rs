//! How what a process had is taken down: in steps, by the thread that caused its end.

use super::{Process, ProcessId};
use crate::{
    kernel::{Kernel, System},
    mm::AddressSpace,
    work::{Budget, Job},
};

/// How far the end of a process has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Its threads go, and what they have under way fails.
    Threads,
    /// The calls that it answers fail, and its capabilities go.
    Calls,
    /// Waiters for endpoints or objects that went with the process are told.
    ClearingUp,
    /// Its pages and tables go back, and what it had mapped is no longer mapped.
    Space,
    /// Memory objects that nothing else kept are freed.
    Freeing,
    /// Waiters for its end are told.
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
    /// Whether everything that it had is gone, so that its end can be told.
    pub(crate) fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }
}

impl System {
    /// Lets the current thread take down a process that has ended.
    pub(super) fn begin_teardown(&mut self, id: ProcessId) {
        self.forget_address_space(id);
        match self.current_thread() {
            Some(current) if !self.has_job(current) => self.give_job(current, Job::End(id)),
            _ => self.orphan_teardown(id),
        }
    }

    /// Leaves the taking down of a process to whichever thread next finishes with another.
    pub(crate) fn orphan_teardown(&mut self, id: ProcessId) {
        let next = self.orphans.replace(id);
        if let Some(process) = self.processes.get_mut(id) {
            process.next_orphan = next;
        }
    }

    fn take_orphan(&mut self) -> Option<ProcessId> {
        let orphan = self.orphans?;
        self.orphans = self.processes.get_mut(orphan).and_then(|process| process.next_orphan.take());
        Some(orphan)
    }

    /// Whether it is the current thread's process.
    fn is_own(&mut self, id: ProcessId) -> bool {
        self.current_process() == Some(id)
    }
}

impl Kernel {
    /// Takes steps of taking a process down. Returns the process that remains to be taken down: this one, or one that
    /// was left behind by a thread that was to do it.
    pub(crate) fn take_down(&mut self, id: ProcessId, budget: &Budget) -> Option<ProcessId> {
        while let Some(phase) = self.system.processes.get(id).map(|process| process.phase) {
            if phase == Phase::Closed {
                break;
            }
            if phase == Phase::Waiters
                && self.system.is_own(id)
                && let Some(orphan) = self.system.take_orphan()
            {
                // The thread goes with its own process, so that comes last.
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
                // In one step with the last phase: what is closed may lose its last capability, and then its record.
                if process.phase == Phase::Closed {
                    self.close(id);
                    break;
                }
            }
            if budget.is_spent() {
                return Some(id);
            }
        }
        // Having taken down its own process, the thread has gone with it.
        self.system.current_thread()?;
        self.system.take_orphan()
    }

    /// Ends one thread. The one that does all this stays until the end, but what it has under way does not. `true` when there
    /// was none left.
    fn end_a_thread(&mut self, id: ProcessId) -> bool {
        let Some(process) = self.system.processes.get_mut(id) else { return true };
        let Some(thread) = process.threads.pop() else { return true };
        match thread {
            Some(thread) if self.system.current_thread() == Some(thread) => {
                if let Some(process) = self.system.processes.get_mut(id) {
                    process.last_thread = Some(thread);
                }
                self.close_thread_calls(thread);
            }
            Some(thread) => self.remove_thread(thread),
            None => {}
        }
        false
    }

    /// Gives back pages and tables. `true` when all are.
    fn free_space(&mut self, id: ProcessId, budget: &Budget) -> bool {
        let Some(process) = self.system.processes.get_mut(id) else { return true };
        let place = self.system.objects.ended_count();
        let is_done = process.space.destroy_step(&mut self.system.objects, budget);
        self.system.free_ended_above(place);
        is_done
    }

    /// Nothing is left but the record, which stays while somebody holds a capability of it.
    fn close(&mut self, id: ProcessId) {
        let Some(process) = self.system.processes.get_mut(id) else { return };
        process.space = AddressSpace::ended();
        let (cause, is_held, last_thread) = (process.end, process.held, process.last_thread.take());
        if Some(id) == self.init
            && let Some(cause) = cause
        {
            crate::boot::init_ended(cause);
        }
        if let Some(thread) = last_thread {
            self.remove_thread(thread);
        }
        if !is_held {
            self.system.processes.remove(id);
        }
    }
}
