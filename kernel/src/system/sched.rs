//! Scheduling: fixed priorities, round robin among equal ones, direct switch to a thread that was just woken.

mod cpu;
mod timer;

use super::{
    System,
    process::ProcessId,
    thread::{Thread, ThreadId},
};
use crate::{
    arch,
    kernel::{Kernel, MAX_CPUS},
};
use capos_abi::CompletionEntry;
use capos_kernel_core::{
    OutOfMemory,
    timers::{TimerId, Timers},
    turns::Turn,
    walk::{Flaw, Walk},
};
use core::hint::cold_path;
use cpu::Cpu;

/// More than the possible number of waiting threads.
const MAX_TIMERS: u32 = 1 << 20;

/// The scheduler's state: the state of each CPU, and the deadlines of threads.
pub(super) struct Scheduler {
    cpus: [Cpu; MAX_CPUS],
    timers: Timers<ThreadId>,
}

/// A thread that no CPU resumes any more, and that no queue contains.
pub(super) struct Forgotten(ThreadId);

impl Forgotten {
    pub(super) const fn id(&self) -> ThreadId {
        self.0
    }
}

impl Scheduler {
    pub(super) const fn new() -> Self {
        Self { cpus: [const { Cpu::new() }; MAX_CPUS], timers: Timers::new(MAX_TIMERS) }
    }

    /// This CPU.
    #[inline(always)]
    fn cpu(&mut self) -> &mut Cpu {
        // `cpu_index` is below MAX_CPUS, because no other CPU is ever started.
        &mut self.cpus[arch::cpu_index() as usize]
    }

    /// Sets a timer for a thread.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub(super) fn set_timer(
        &mut self,
        id: ThreadId,
        priority: u8,
        deadline_ns: u64,
    ) -> Result<TimerId<ThreadId>, OutOfMemory> {
        self.timers.insert(deadline_ns, priority, id)
    }

    /// Cancels a timer.
    pub(super) fn cancel_timer(&mut self, timer: TimerId<ThreadId>) {
        self.timers.cancel(timer);
    }

    /// Whether the records of timers and run queues are consistent.
    ///
    /// # Errors
    /// The first inconsistency found.
    pub(super) fn check(&self, walk: &mut Walk<'_>) -> Result<(), Flaw> {
        self.timers.check(walk)?;
        self.cpus.iter().try_for_each(|cpu| cpu.run_queue.check(walk))
    }
}

impl System {
    #[inline(always)]
    fn cpu(&mut self) -> &mut Cpu {
        self.sched.cpu()
    }

    /// The calling thread. During a system call there always is one.
    #[inline]
    pub(crate) fn current_thread(&mut self) -> Option<ThreadId> {
        self.cpu().current
    }

    /// Marks that the current thread does not continue now.
    #[inline(always)]
    pub(crate) fn stop_current(&mut self) {
        self.cpu().current = None;
    }

    /// Reserves space for a new thread in every run queue that it may enter.
    pub(super) fn admit(&mut self, id: ThreadId) -> bool {
        self.sched.cpus.iter_mut().all(|cpu| cpu.run_queue.admit(id.index()).is_ok())
    }

    /// The CPU on which a thread that has become ready is to run: the only place where that is decided.
    #[inline]
    fn cpu_for(&mut self, _thread: ThreadId) -> &mut Cpu {
        self.cpu()
    }

    /// Queues a thread of `priority` whose state is `Ready`.
    #[inline]
    pub(super) fn make_ready(&mut self, id: ThreadId, priority: u8) {
        if let Some((earlier, priority)) = self.cpu_for(id).handoff.replace((id, priority)) {
            self.enqueue(earlier, priority);
        }
    }

    #[inline(never)]
    pub(super) fn enqueue(&mut self, id: ThreadId, priority: u8) {
        self.cpu_for(id).run_queue.push_back(id.index(), priority);
    }

    /// Whether no other thread is ready and no deadline of a lower priority is overdue.
    #[inline(always)]
    pub(crate) fn may_switch(&mut self) -> bool {
        let has_floor = self.sched.timers.floor() != 0;
        let cpu = self.cpu();
        !has_floor && cpu.handoff.is_none() && cpu.run_queue.is_empty()
    }

    /// The current thread yields to others of the same priority.
    pub fn yield_current(&mut self) {
        self.cpu().yielding = true;
    }

    /// Removes a thread that is about to end from all scheduler records.
    pub(super) fn forget_thread(&mut self, id: ThreadId) -> Forgotten {
        for (index, cpu) in (0..).zip(&mut self.sched.cpus) {
            cpu.run_queue.remove(id.index());
            cpu.handoff = cpu.handoff.filter(|(woken, _)| *woken != id);
            if cpu.current != Some(id) && cpu.installed != Some(id) {
                continue;
            }
            // With several CPUs, the other CPU would have to be stopped first: it resumes from the record.
            assert!(index == arch::cpu_index(), "another CPU may resume a thread that is about to end");
            if cpu.installed == Some(id) {
                cpu.resume = arch::Resume::IDLE;
                cpu.installed = None;
            }
            cpu.current = cpu.current.filter(|current| *current != id);
        }
        Forgotten(id)
    }

    /// Stops using a process's page tables, which are about to be freed.
    pub(super) fn forget_address_space(&mut self, id: ProcessId) {
        let Self { sched, processes, .. } = self;
        let cpu = sched.cpu();
        if cpu.loaded == Some(id) {
            cpu.leave_address_space(processes);
            cpu.loaded = None;
            crate::mm::load_kernel_space();
        }
    }

    /// Takes the CPU from a thread that must not run any more because its process has ended.
    #[cold]
    pub(super) fn park(&mut self, id: ThreadId) {
        if let Some(thread) = self.threads.get_mut(id) {
            thread.park();
        }
        self.cpu().current = None;
    }

    /// Notes that a thread resumes differently from now on.
    pub(super) fn resume_changed(&mut self, id: ThreadId, resume: arch::Resume) {
        let cpu = self.cpu();
        if cpu.installed == Some(id) {
            cpu.resume = resume;
        }
    }

    /// Whether the current thread has work left in the kernel when it runs next.
    #[inline]
    pub(crate) fn has_work(&mut self) -> bool {
        self.cpu().resume == arch::Resume::WORK
    }

    /// The general case: compares the current thread, the one woken last, and the queue.
    #[inline(always)]
    fn choose_among_ready(&mut self) -> Option<ThreadId> {
        let cpu = self.cpu();
        let (current, current_priority) = (cpu.current, cpu.priority);
        if let Some((woken, priority)) = cpu.handoff.take() {
            let beats_current = current.is_none() || priority > current_priority;
            if beats_current && self.may_overtake(priority) {
                if let Some(current) = current {
                    let yielding = core::mem::take(&mut self.cpu().yielding);
                    self.preempt(current, yielding);
                }
                return Some(woken);
            }
            self.cpu().run_queue.push_back(woken.index(), priority);
        }
        let cpu = self.cpu();
        let yielding = core::mem::take(&mut cpu.yielding);
        if let Some(current) = current {
            match cpu.run_queue.highest() {
                Some(highest) if highest > current_priority || (highest == current_priority && yielding) => {
                    self.preempt(current, yielding);
                }
                _ => return Some(current),
            }
        }
        self.take_first()
    }

    /// Whether a thread of `priority` that was just woken may run before those in the queue. Threads of the same
    /// priority wait no longer than until the end of the turn in which it would run.
    #[inline(always)]
    fn may_overtake(&mut self, priority: u8) -> bool {
        let cpu = self.cpu();
        match cpu.run_queue.highest() {
            Some(highest) if highest == priority => !cpu.turns.is_over(priority, arch::time::now_ns()),
            highest => highest < Some(priority),
        }
    }

    /// Takes the next thread from the queue.
    #[inline(always)]
    fn take_first(&mut self) -> Option<ThreadId> {
        let cpu = self.cpu();
        let priority = cpu.run_queue.highest()?;
        let mut index = cpu.run_queue.pop()?;
        if cpu.turns.take(priority, arch::time::now_ns) == Turn::Over {
            cpu.run_queue.push_back(index, priority);
            index = cpu.run_queue.pop()?;
        }
        self.threads.id_at(index)
    }

    /// Takes the CPU from the current thread. It goes to the end of its priority's queue only if it is
    /// `yielding`.
    fn preempt(&mut self, current: ThreadId, yielding: bool) {
        let Some(thread) = self.threads.get_mut(current) else { return };
        thread.stop();
        let cpu = self.cpu();
        let priority = cpu.priority;
        cpu.current = None;
        if yielding {
            cpu.run_queue.push_back(current.index(), priority);
        } else {
            cpu.run_queue.push_front(current.index(), priority);
            cpu.turns.preempt(priority);
        }
    }

    /// Loads the state of `next` into the processor unless it is already there. `false` if the thread must not
    /// run any more.
    #[inline(always)]
    fn switch_to(&mut self, next: ThreadId) -> bool {
        let Self { sched, threads, processes, .. } = self;
        let cpu = sched.cpu();
        let previous = cpu.installed.take();
        if previous != Some(next)
            && let Some(thread) = previous.and_then(|id| threads.at_mut(id.index()))
        {
            thread.save();
        }
        let Some(thread) = threads.at_mut(next.index()) else { return false };
        if previous == Some(next) {
            cpu.set_current(next, thread);
            return true;
        }
        cpu.install(processes, next, thread)
    }

    /// Lets the current thread, which is the one at `from`, `wait`, posts a completion for the thread at `to`, and
    /// switches to that thread if this ended its wait; returns then what to resume. Requires [`System::may_switch`]
    /// and that no deadline was added since the kernel was entered: nothing is due earlier than when the current
    /// thread was chosen, so the timer is set correctly.
    #[inline(always)]
    pub(crate) fn post_and_switch(
        &mut self,
        from: u32,
        wait: impl FnOnce(&mut Thread),
        to: u32,
        entry: &CompletionEntry,
    ) -> Option<arch::Resume> {
        let Self { sched, threads, processes, .. } = self;
        let cpu = sched.cpu();
        cpu.current = None;
        let (from, next, thread) = threads.pair_at_mut(from, to)?;
        wait(from);
        if !thread.post(entry) {
            return None;
        }
        let (left, entered) = (from.process(), thread.process());
        if let Some((left, process)) = processes.pair_at_mut(left.index(), entered.index())
            && !process.has_ended()
        {
            cpu.set_current(next, thread);
            from.exchange(thread);
            cpu.count_time_of(left);
            left.space.leave();
            cpu.enter_space(entered, process);
            return Some(cpu.resume);
        }
        from.save();
        if cpu.install(processes, next, thread) {
            return Some(cpu.resume);
        }
        self.park(next);
        Some(arch::Resume::WORK)
    }

    /// Counts the time of processes, and that in which nothing runs, from now on.
    pub fn begin_accounting(&mut self) {
        self.cpu().running_since_tsc = arch::time::read_tsc();
    }

    /// How far the time-stamp counter has advanced while nothing ran.
    pub fn idle_tsc(&mut self) -> u64 {
        self.cpu().idle_tsc
    }

    /// Lets the current process read the time-stamp counter from user mode.
    pub fn allow_tsc(&mut self, id: ProcessId) {
        if let Some(process) = self.processes.get_mut(id) {
            process.may_read_tsc = true;
        }
        let cpu = self.cpu();
        if cpu.loaded == Some(id) && !cpu.tsc_allowed {
            cpu.tsc_allowed = true;
            arch::allow_user_tsc(true);
        }
    }
}

impl Kernel {
    /// Decides what this CPU does when it leaves the kernel, and prepares the processor accordingly.
    #[inline(always)]
    pub(crate) fn choose_next(&mut self) -> arch::Resume {
        let cpu = self.system.cpu();
        let nobody_else = cpu.handoff.is_none() && cpu.run_queue.is_empty();
        if nobody_else && !cpu.yielding && cpu.current.is_some() {
            let resume = cpu.resume;
            self.arm_for(self.clock.next_check_ns());
            return resume;
        }
        self.choose_other()
    }

    #[inline(never)]
    fn choose_other(&mut self) -> arch::Resume {
        if self.system.sched.timers.floor() != 0 {
            cold_path();
            self.let_lower_timers_in();
        }
        let cpu = self.system.cpu();
        let next = match (cpu.current, cpu.handoff) {
            // The current thread waits and woke exactly one other: switch directly to that one.
            (None, Some((woken, _))) if cpu.run_queue.is_empty() => {
                cpu.handoff = None;
                cpu.yielding = false;
                Some(woken)
            }
            // The current thread continues, and only the thread it woke is ready: that one stays in the handoff
            // slot, the fastest to take from.
            (Some(_), Some((_, woken)))
                if woken <= cpu.priority && cpu.run_queue.is_empty() && !cpu.yielding =>
            {
                let resume = cpu.resume;
                self.arm_timer();
                return resume;
            }
            _ => self.system.choose_among_ready(),
        };
        let Some(next) = next else { return self.idle() };
        if !self.system.switch_to(next) {
            self.system.park(next);
            // The thread has nothing left to do, but there may be many like it; interrupts are taken in
            // between.
            return arch::Resume::WORK;
        }
        self.arm_timer();
        self.system.cpu().resume
    }

    /// No thread is ready.
    #[cold]
    fn idle(&mut self) -> arch::Resume {
        let System { sched, threads, processes, .. } = &mut self.system;
        let cpu = sched.cpu();
        cpu.count_time(processes);
        cpu.idle = true;
        cpu.resume = arch::Resume::IDLE;
        if let Some(thread) = cpu.installed.take().and_then(|id| threads.get_mut(id)) {
            thread.save();
        }
        arch::install_none();
        self.arm_idle_timer();
        arch::Resume::IDLE
    }
}
