//! Work that takes longer than the kernel may go without looking whether something else is to run.
//!
//! A thread carries such work itself and does not return to its program before it is done. The work goes on in steps whenever the
//! thread is chosen to run, so at its priority, on its turn and on its process's account; between two steps the CPU takes
//! interrupts and chooses again what runs (`arch/entry.s`). So work that is under way takes no memory but the thread's record, what is
//! behind does not pile up, and nothing blocks in the kernel.
//!
//! Each step leaves everything consistent: others run in between and may end the thread, or what the work is about.

mod budget;

use crate::{
    arch::Resume,
    kernel::{Kernel, System},
    objects::{
        dma::{self, Allocation},
        output::{self, Carrying},
        ranges::{self, RangeChange},
        self_check::{self, Check},
    },
    process::ProcessId,
    thread::{ThreadId, Waking},
};

pub(crate) use budget::Budget;

/// The work that a thread has left to do in the kernel.
#[derive(Default)]
pub(crate) struct Work {
    job: Option<Job>,
    /// Memory objects that ended and stand above this place in the stack of those are the thread's to free.
    frees_above: Option<u32>,
    /// The rest of the `CapEnter` that the thread is in.
    enter: Option<Enter>,
}

/// Arguments of `CapEnter`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Enter {
    pub(crate) submit: u64,
    pub(crate) wait_for: u64,
    pub(crate) deadline_ns: u64,
}

/// Something that is done in steps.
pub(crate) enum Job {
    /// The operation of its last submission.
    Operation,
    /// Taking down a process that has ended.
    End(ProcessId),
    /// Writing to a serial port.
    Carry(Carrying),
    /// Changing a range of an address space.
    Range(RangeChange),
    /// Waking threads that wait for a word.
    Wake(Waking),
    /// Taking and zeroing memory for a device.
    Dma(Allocation),
    /// The kernel's check of itself.
    Check(Check),
}

/// Which [`Job`] it is.
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
    /// Gives a thread a job, to be done before anything else that the thread has to do.
    pub(crate) fn give_job(&mut self, id: ThreadId, job: Job) {
        self.leave_work(id, |work| work.job = Some(job));
    }

    /// Gives a thread a job whatever it does now. One that waits for completions goes on waiting afterwards; one that waits
    /// for a futex is woken, which the binary interface allows. Nothing happens if it has a job already.
    pub(crate) fn give_job_anytime(&mut self, id: ThreadId, job: Job) {
        if !self.has_job(id) {
            self.give_job(id, job);
            self.interrupt_wait(id);
        }
    }

    /// Lets a thread go on with `CapEnter` when it runs next.
    pub(crate) fn put_off(&mut self, id: ThreadId, enter: Enter) {
        self.leave_work(id, |work| work.enter = Some(enter));
    }

    /// Lets a thread free the memory objects that stand above `place` in the stack of those that ended.
    pub(crate) fn frees_above(&mut self, id: ThreadId, place: u32) {
        self.leave_work(id, |work| {
            work.frees_above = Some(work.frees_above.map_or(place, |other| other.min(place)));
        });
    }

    /// Whether a thread goes on with `CapEnter` when it runs next.
    pub(crate) fn has_put_off(&self, id: ThreadId) -> bool {
        self.threads.get(id).is_some_and(|thread| thread.work.enter.is_some())
    }

    /// Lets a thread clear up after capabilities that ended, unless another does that already. Whether it does.
    #[cold]
    pub(crate) fn clear_up(&mut self, id: ThreadId) -> bool {
        if self.clearing_up.is_some() {
            return false;
        }
        self.clearing_up = Some(id);
        self.leave_work(id, |_| {});
        true
    }

    fn leave_work(&mut self, id: ThreadId, change: impl FnOnce(&mut Work)) {
        let Some(thread) = self.threads.get_mut(id) else { return };
        change(&mut thread.work);
        thread.resume = Resume::WORK;
        self.resume_changed(id, Resume::WORK);
    }

    /// Whether a thread has a job.
    pub(crate) fn has_job(&self, id: ThreadId) -> bool {
        self.threads.get(id).is_some_and(|thread| thread.work.job.is_some())
    }

    /// Frees the memory objects that are the current thread's to free. `true` when all are.
    pub(crate) fn free_own_objects(&mut self, budget: &Budget) -> bool {
        let Some(id) = self.current_thread() else { return true };
        let Some(place) = self.threads.get(id).and_then(|thread| thread.work.frees_above) else {
            return true;
        };
        while self.objects.ended_count() > place {
            if budget.is_spent() {
                return false;
            }
            self.free_objects_step();
        }
        if let Some(thread) = self.threads.get_mut(id) {
            thread.work.frees_above = None;
        }
        true
    }
}

impl Kernel {
    /// Takes a step of the current thread's work. Returns the rest of its `CapEnter` if that comes next.
    pub(crate) fn work(&mut self) -> Option<Enter> {
        let id = self.system.current_thread()?;
        let budget = Budget::start();
        self.stretches.job = None;
        if let Some(job) = self.system.threads.get_mut(id).and_then(|thread| thread.work.job.take()) {
            if let Some(rest) = self.step(job, &budget) {
                self.system.give_job(id, rest);
                return None;
            }
            // The console may have taken bytes again while the thread that was to write them had this job.
            output::carry_on(self);
            if budget.is_spent() {
                return None;
            }
        }
        if self.system.clearing_up == Some(id) {
            if !self.clear_up_steps(&budget) {
                return None;
            }
            self.system.clearing_up = None;
        }
        if !self.system.free_own_objects(&budget) || budget.is_spent() {
            return None;
        }
        let thread = self.system.threads.get_mut(id)?;
        if self.system.processes.get(thread.process).is_none_or(|process| process.end.is_some()) {
            // Its own end was another thread's job.
            self.system.park(id);
            return None;
        }
        let enter = thread.work.enter.take();
        thread.resume = Resume::installed(&mut thread.state);
        let resume = thread.resume;
        self.system.resume_changed(id, resume);
        enter
    }

    /// Takes steps of a job. Returns what is left of it.
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

    /// Takes over what a thread that is about to go has left to do: whoever ends it does that.
    pub(crate) fn inherit_work(&mut self, from: ThreadId) {
        let Some(thread) = self.system.threads.get_mut(from) else { return };
        let Work { job, frees_above, enter: _ } = core::mem::take(&mut thread.work);
        let heir = self.system.current_thread().filter(|heir| *heir != from);
        if let (Some(place), Some(heir)) = (frees_above, heir) {
            self.system.frees_above(heir, place);
        }
        if self.system.clearing_up == Some(from) {
            self.system.clearing_up = None;
            if let Some(heir) = heir {
                self.system.clear_up(heir);
            }
        }
        match job {
            Some(Job::End(process)) => self.system.orphan_teardown(process),
            Some(Job::Dma(rest)) => rest.abandon(self),
            // An operation is left to whoever clears up, a range to its process.
            Some(Job::Carry(_) | Job::Operation | Job::Range(_) | Job::Wake(_) | Job::Check(_)) | None => {}
        }
        output::carry_on(self);
    }
}
