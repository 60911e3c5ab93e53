//! Work that takes longer than the kernel may run without checking for another thread.
//!
//! The thread that caused such work carries it out itself and does not return to its program before it is done. The
//! work proceeds in steps whenever the thread is scheduled, thus at its priority, in its turn and charged to its
//! process; between two steps the CPU takes interrupts and schedules again (`arch/entry.s`). Pending work therefore
//! needs no memory except the thread's record, does not accumulate, and nothing blocks in the kernel.
//!
//! Each step leaves everything consistent: other threads run in between and may end the thread or the object of the work.

use super::{ThreadId, futex::Waking};
use crate::{
    arch::Resume,
    budget::Budget,
    kernel::Kernel,
    objects::{
        dma::{self, Allocation},
        output::{self, Carrying},
        ranges::{self, RangeChange},
        self_check::{self, Check},
    },
    system::{System, process::ProcessId},
};

/// A thread's remaining work in the kernel.
#[derive(Default)]
pub(super) struct Work {
    pub(super) job: Option<Job>,
    /// The position in the stack of ended memory objects above which this thread must free them.
    frees_above: Option<u32>,
    /// The remaining part of the thread's current `CapEnter`.
    enter: Option<Enter>,
}

/// Arguments of `CapEnter`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Enter {
    pub(crate) submit: u64,
    pub(crate) wait_for: u64,
    pub(crate) deadline_ns: u64,
}

/// Work that is done in steps.
pub(crate) enum Job {
    /// The operation of its last submission.
    Operation,
    /// Tearing down a process that has ended.
    End(ProcessId),
    /// Writing to a serial port.
    Carry(Carrying),
    /// Changing a range of an address space.
    Range(RangeChange),
    /// Waking threads that wait on a futex.
    Wake(Waking),
    /// Allocating and zeroing memory for a device.
    Dma(Allocation),
    /// The kernel's self-check.
    Check(Check),
}

/// The kind of a [`Job`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum JobKind {
    Operation,
    End,
    Carry,
    Range,
    Wake,
    Dma,
    Check,
}

impl Job {
    const fn kind(&self) -> JobKind {
        match self {
            Self::Operation => JobKind::Operation,
            Self::End(_) => JobKind::End,
            Self::Carry(_) => JobKind::Carry,
            Self::Range(_) => JobKind::Range,
            Self::Wake(_) => JobKind::Wake,
            Self::Dma(_) => JobKind::Dma,
            Self::Check(_) => JobKind::Check,
        }
    }
}

impl System {
    /// Gives a thread a job, to be done before its other work.
    pub(crate) fn give_job(&mut self, id: ThreadId, job: Job) {
        self.leave_work(id, |work| work.job = Some(job));
    }

    /// Gives the current thread a job, to be done before its other work.
    pub(crate) fn give_current(&mut self, job: Job) {
        if let Some(id) = self.current_thread() {
            self.give_job(id, job);
        }
    }

    /// Gives the thread with this number a job regardless of its state. If it waits for completions, it resumes the wait
    /// afterwards; if it waits for a futex, it is woken, which the binary interface allows. Does nothing if it already
    /// has a job.
    pub(crate) fn give_job_anytime(&mut self, thread: u32, job: Job) {
        if let Some(id) = self.threads.id_at(thread)
            && !self.has_job(id)
        {
            self.give_job(id, job);
            self.interrupt_wait(id);
        }
    }

    /// Makes a thread continue with `CapEnter` when it runs next, unless it already does.
    pub(crate) fn put_off(&mut self, id: ThreadId, enter: Enter) {
        self.leave_work(id, |work| work.enter = work.enter.or(Some(enter)));
    }

    /// Makes a thread free the memory objects above position `place` in the stack of ended ones.
    pub(in crate::system) fn frees_above(&mut self, id: ThreadId, place: u32) {
        self.leave_work(id, |work| {
            work.frees_above = Some(work.frees_above.map_or(place, |other| other.min(place)));
        });
    }

    /// Makes a thread clean up after ended capabilities, unless another one already does.
    #[cold]
    pub(crate) fn clear_up(&mut self, id: ThreadId) {
        if self.threads.clearing_up.is_none() {
            self.threads.clearing_up = Some(id);
            self.leave_work(id, |_| {});
        }
    }

    fn leave_work(&mut self, id: ThreadId, change: impl FnOnce(&mut Work)) {
        let Some(thread) = self.threads.get_mut(id) else { return };
        change(&mut thread.work);
        thread.resume = Resume::WORK;
        self.resume_changed(id, Resume::WORK);
    }

    /// Whether a thread has a job.
    pub(in crate::system) fn has_job(&self, id: ThreadId) -> bool {
        self.threads.all.get(id).is_some_and(|thread| thread.work.job.is_some())
    }

    /// Frees the memory objects that the current thread has to free. `true` if all are freed.
    pub(in crate::system) fn free_own_objects(&mut self, budget: &Budget) -> bool {
        let Some(place) = self.current().and_then(|thread| thread.work.frees_above) else { return true };
        while self.objects.ended_count() > place {
            if budget.is_spent() {
                return false;
            }
            self.free_objects_step();
        }
        if let Some(thread) = self.current() {
            thread.work.frees_above = None;
        }
        true
    }
}

impl Kernel {
    /// Carries out a step of the current thread's work. Returns the rest of its `CapEnter` if that comes
    /// next.
    pub(crate) fn work(&mut self) -> Option<Enter> {
        let id = self.system.current_thread()?;
        let budget = Budget::start();
        self.stretches.job = None;
        if let Some(job) = self.system.current().and_then(|thread| thread.work.job.take()) {
            if let Some(rest) = self.step(job, &budget) {
                self.system.give_job(id, rest);
                return None;
            }
            // The console may have become ready again while the thread that was to write had this job.
            output::carry_on(self);
            if budget.is_spent() {
                return None;
            }
        }
        if self.system.threads.clearing_up == Some(id) {
            if !self.clear_up_steps(&budget) {
                return None;
            }
            self.system.threads.clearing_up = None;
        }
        if !self.system.free_own_objects(&budget) || budget.is_spent() {
            return None;
        }
        let thread = self.system.threads.get_mut(id)?;
        if self.system.processes.live(thread.process).is_none() {
            // The thread's own end was another thread's job.
            self.system.park(id);
            return None;
        }
        let enter = thread.work.enter.take();
        thread.resume = thread.resume_without_work();
        let (resume, alarm) = (Resume::installed(&mut thread.state), thread.alarm);
        self.system.resume_changed(id, resume);
        match enter {
            None => self.attend_alarm(),
            // The system call comes first. If the alarm is due, the timer interrupts as soon as that returns.
            Some(_) => self.arm_for(alarm.deadline_ns()),
        }
        enter
    }

    /// Carries out steps of a job. Returns the remaining job.
    fn step(&mut self, job: Job, budget: &Budget) -> Option<Job> {
        self.stretches.job = Some(job.kind());
        match job {
            Job::Operation => (!self.operation_steps(budget)).then_some(Job::Operation),
            Job::End(process) => self.take_down(process, budget).map(Job::End),
            Job::Carry(carrying) => output::carry(self, carrying, budget).map(Job::Carry),
            Job::Range(rest) => ranges::go_on(self, rest, budget).map(Job::Range),
            Job::Wake(waking) => self.wake_more(waking, budget).map(Job::Wake),
            Job::Dma(rest) => dma::go_on(self, rest, budget).map(Job::Dma),
            Job::Check(check) => self_check::go_on(self, check, budget).map(Job::Check),
        }
    }

    /// Takes over the remaining work of a thread that is about to be removed; the thread that ends it does
    /// that work.
    pub(super) fn inherit_work(&mut self, from: ThreadId) {
        let Some(thread) = self.system.threads.get_mut(from) else { return };
        let Work { job, frees_above, enter: _ } = core::mem::take(&mut thread.work);
        let heir = self.system.current_thread().filter(|heir| *heir != from);
        if let (Some(place), Some(heir)) = (frees_above, heir) {
            self.system.frees_above(heir, place);
        }
        if self.system.threads.clearing_up == Some(from) {
            self.system.threads.clearing_up = None;
            if let Some(heir) = heir {
                self.system.clear_up(heir);
            }
        }
        match job {
            Some(Job::End(process)) => self.system.orphan_teardown(process),
            Some(Job::Dma(rest)) => rest.abandon(self),
            // An operation is left to the thread that cleans up, a range to its process.
            Some(Job::Carry(_) | Job::Operation | Job::Range(_) | Job::Wake(_) | Job::Check(_)) | None => {}
        }
        output::carry_on(self);
    }
}
