//! Which thread runs: fixed priorities, turns among equals, direct switch to a thread that was just woken.

mod timer;

use crate::{
    arch,
    kernel::{Kernel, System},
    process::{Process, ProcessId},
    thread::{RunState, Thread, ThreadId, Wait},
};
use capos_abi::CompletionEntry;
use capos_kernel_core::{
    arena::Arena,
    run_queue::RunQueue,
    turns::{Turn, Turns},
    walk::{Flaw, Walk},
};
use core::hint::cold_path;

/// The state of one CPU. Its ids are never stale: a thread that ends is forgotten here first
/// ([`Kernel::forget_thread`]), and so is a process ([`Kernel::forget_address_space`]), whose record outlives its threads.
pub(crate) struct Cpu {
    /// The thread that is running.
    pub(crate) current: Option<ThreadId>,
    /// The thread whose processor state is in the registers, even if it waits now.
    installed: Option<ThreadId>,
    /// The process whose page tables are in use.
    loaded: Option<ProcessId>,
    /// The priority of the thread that is running.
    priority: u8,
    /// The thread woken last, with its priority: it runs next if the current one waits, without passing through the queue.
    handoff: Option<(ThreadId, u8)>,
    run_queue: RunQueue,
    /// When threads must make room for their equals.
    turns: Turns,
    /// The deadline that the timer is set to; `u64::MAX` while it is off.
    timer_ns: u64,
    /// The current thread gives way to its equals.
    yielding: bool,
    /// Whether user mode may read the time-stamp counter now.
    tsc_allowed: bool,
    /// Since when the loaded process's time has not been counted.
    running_since_tsc: u64,
    /// How long nothing ran.
    idle_tsc: u64,
    /// Nothing runs.
    idle: bool,
    /// The way back to the installed thread.
    resume: arch::Resume,
}

impl Cpu {
    pub(crate) const fn new() -> Self {
        Self {
            current: None,
            installed: None,
            loaded: None,
            priority: 0,
            handoff: None,
            run_queue: RunQueue::new(),
            turns: Turns::new(),
            timer_ns: u64::MAX,
            yielding: false,
            tsc_allowed: false,
            running_since_tsc: 0,
            idle_tsc: 0,
            idle: true,
            resume: arch::Resume::IDLE,
        }
    }

    /// Makes a thread whose state is in the processor the one that runs.
    #[inline(always)]
    fn set_current(&mut self, id: ThreadId, thread: &mut Thread) {
        (self.installed, self.current) = (Some(id), Some(id));
        self.priority = thread.priority;
        thread.run_state = RunState::Running;
    }

    /// Puts a thread's state into the processor, in which there is none that has not been saved. `false` if the thread is not
    /// to run any more.
    #[inline(always)]
    fn install(&mut self, processes: &mut Arena<Process>, id: ThreadId, thread: &mut Thread) -> bool {
        self.set_current(id, thread);
        self.resume = thread.resume;
        let process = thread.process;
        if self.loaded == Some(process) {
            arch::install(&mut thread.state);
            if self.idle {
                self.count_time(processes);
                self.idle = false;
            }
            return true;
        }
        arch::leave_process();
        arch::install(&mut thread.state);
        self.enter_process(processes, process)
    }

    /// Puts a process's page tables into use, and begins to count its time. `false` if it has ended, and the thread chosen
    /// is not one that has work to do.
    #[inline(never)]
    fn enter_process(&mut self, processes: &mut Arena<Process>, id: ProcessId) -> bool {
        self.leave_address_space(processes);
        self.idle = false;
        let Some(process) = processes.at_mut(id.index()) else { return false };
        if process.end.is_some() {
            cold_path();
            self.loaded = None;
            crate::mm::load_kernel_space();
            return self.resume == arch::Resume::WORK;
        }
        self.enter_space(id, process);
        true
    }

    #[inline(always)]
    fn enter_space(&mut self, id: ProcessId, process: &mut Process) {
        process.space.load();
        self.loaded = Some(id);
        if self.tsc_allowed != process.may_read_tsc {
            self.tsc_allowed = process.may_read_tsc;
            arch::allow_user_tsc(self.tsc_allowed);
        }
    }

    /// How far the time-stamp counter advanced since this was last asked for.
    #[inline(always)]
    fn passed(&mut self) -> u64 {
        let now = arch::time::read_tsc();
        now.wrapping_sub(core::mem::replace(&mut self.running_since_tsc, now))
    }

    /// Adds the time since it was last counted to a process that used all of it.
    #[inline(always)]
    fn count_time_of(&mut self, process: &mut Process) {
        process.cpu_tsc = process.cpu_tsc.wrapping_add(self.passed());
    }

    /// Adds the time since it was last counted to the process that used it, whose page tables are loaded. Returns that.
    #[inline]
    fn count_time<'a>(&mut self, processes: &'a mut Arena<Process>) -> Option<&'a mut Process> {
        let passed = self.passed();
        let process = self.loaded.and_then(|id| processes.at_mut(id.index()));
        match process {
            _ if self.idle => {
                self.idle_tsc += passed;
                process
            }
            Some(process) => {
                process.cpu_tsc += passed;
                Some(process)
            }
            None => None,
        }
    }

    /// Counts the time of the process whose page tables this CPU stops using.
    #[inline]
    fn leave_address_space(&mut self, processes: &mut Arena<Process>) {
        if let Some(process) = self.count_time(processes) {
            process.space.leave();
        }
    }

    /// Whether the run queue's records agree with each other.
    ///
    /// # Errors
    /// The first disagreement found.
    pub(crate) fn check(&self, walk: &mut Walk<'_>) -> Result<(), Flaw> {
        self.run_queue.check(walk)
    }
}

impl System {
    /// Makes room for a new thread in every run queue that it may come into.
    pub(crate) fn admit(&mut self, id: ThreadId) -> bool {
        self.cpus.iter_mut().all(|cpu| cpu.run_queue.admit(id.index()).is_ok())
    }

    /// The CPU on which a thread that has become ready is to run: the only place where that is decided.
    #[inline]
    fn cpu_for(&mut self, _thread: ThreadId) -> &mut Cpu {
        self.cpu()
    }

    /// Lets a thread of `priority` whose state is `Ready` run when its turn comes.
    #[inline]
    pub(crate) fn make_ready(&mut self, id: ThreadId, priority: u8) {
        if let Some((earlier, priority)) = self.cpu_for(id).handoff.replace((id, priority)) {
            self.enqueue(earlier, priority);
        }
    }

    #[inline(never)]
    pub(crate) fn enqueue(&mut self, id: ThreadId, priority: u8) {
        self.cpu_for(id).run_queue.push_back(id.index(), priority);
    }

    /// Whether nothing is ready but the current thread, and no less important deadline is late.
    #[inline(always)]
    pub(crate) fn may_switch(&mut self) -> bool {
        let has_floor = self.timers.floor() != 0;
        let cpu = self.cpu();
        !has_floor && cpu.handoff.is_none() && cpu.run_queue.is_empty()
    }

    /// Notes that the current thread waits for so many completions; with none it goes on.
    #[inline(always)]
    pub(crate) fn note_waiting(&mut self, wait_for: u64) {
        if wait_for != 0 {
            self.cpu().current = None;
        }
    }

    /// The current thread gives way to its equals.
    pub fn yield_current(&mut self) {
        self.cpu().yielding = true;
    }

    /// Takes a thread that is about to end out of everything here.
    pub(crate) fn forget_thread(&mut self, id: ThreadId) {
        for (index, cpu) in (0..).zip(&mut self.cpus) {
            cpu.run_queue.remove(id.index());
            cpu.handoff = cpu.handoff.filter(|(woken, _)| *woken != id);
            if cpu.current != Some(id) && cpu.installed != Some(id) {
                continue;
            }
            // Another CPU would have to be stopped first: it resumes from the record.
            assert!(index == arch::cpu_index(), "another CPU may resume a thread that is about to end");
            if cpu.installed == Some(id) {
                cpu.resume = arch::Resume::IDLE;
                cpu.installed = None;
            }
            cpu.current = cpu.current.filter(|current| *current != id);
        }
    }

    /// Stops using a process's page tables, which are about to be freed.
    pub(crate) fn forget_address_space(&mut self, id: ProcessId) {
        let Self { cpus, processes, .. } = self;
        let cpu = &mut cpus[arch::cpu_index() as usize];
        if cpu.loaded == Some(id) {
            cpu.leave_address_space(processes);
            cpu.loaded = None;
            crate::mm::load_kernel_space();
        }
    }

    /// Takes the CPU from a thread that is not to run any more, because its process has ended.
    #[cold]
    pub(crate) fn park(&mut self, id: ThreadId) {
        if let Some(thread) = self.threads.get_mut(id) {
            thread.run_state = RunState::Waiting(Wait::End);
        }
        self.cpu().current = None;
    }

    /// Notes that a thread resumes in another way from now on.
    pub(crate) fn resume_changed(&mut self, id: ThreadId, resume: arch::Resume) {
        let cpu = self.cpu();
        if cpu.installed == Some(id) {
            cpu.resume = resume;
        }
    }

    /// Whether the current thread goes on in the kernel when it runs next.
    #[inline]
    pub(crate) fn has_work(&mut self) -> bool {
        self.cpu().resume == arch::Resume::WORK
    }

    /// The general case: compares the current thread, the one woken last, and the queue.
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

    /// Whether a thread of `priority` that was just woken may run before those in the queue: equals wait no longer than
    /// until the turn is over that it would run on.
    fn may_overtake(&mut self, priority: u8) -> bool {
        let cpu = self.cpu();
        match cpu.run_queue.highest() {
            Some(highest) if highest == priority => !cpu.turns.is_over(priority, arch::time::now_ns()),
            highest => highest < Some(priority),
        }
    }

    /// Takes the thread out of the queue whose turn it is.
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

    /// Takes the CPU from the current thread, which goes behind its equals only if it is `yielding`.
    fn preempt(&mut self, current: ThreadId, yielding: bool) {
        let Some(thread) = self.threads.get_mut(current) else { return };
        thread.run_state = RunState::Ready;
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

    /// Puts `next`'s state into the processor, unless it is there already. `false` if it is not to run any more.
    #[inline(always)]
    fn switch_to(&mut self, next: ThreadId) -> bool {
        let Self { cpus, threads, processes, .. } = self;
        let cpu = &mut cpus[arch::cpu_index() as usize];
        let previous = cpu.installed.take();
        if previous != Some(next)
            && let Some(thread) = previous.and_then(|id| threads.at_mut(id.index()))
        {
            arch::save(&mut thread.state);
        }
        let Some(thread) = threads.at_mut(next.index()) else { return false };
        if previous == Some(next) {
            cpu.set_current(next, thread);
            return true;
        }
        cpu.install(processes, next, thread)
    }

    /// Lets the current thread, which is the one at `from`, `wait`, posts a completion for the thread at `to`, and switches to
    /// that if its own wait has ended: returns what to resume then. Only if [`System::may_switch`], and no deadline was added in this entry:
    /// nothing is due earlier than when the current thread was chosen, so the timer is right.
    #[inline(always)]
    pub(crate) fn post_and_switch(
        &mut self,
        from: u32,
        wait: impl FnOnce(&mut Thread),
        to: u32,
        entry: &CompletionEntry,
    ) -> Option<arch::Resume> {
        let Self { cpus, threads, processes, .. } = self;
        let cpu = &mut cpus[arch::cpu_index() as usize];
        cpu.current = None;
        let (from, next, thread) = threads.pair_and_id_at_mut(from, to)?;
        wait(from);
        if !thread.post(entry) {
            return None;
        }
        arch::save(&mut from.state);
        let (left, entered) = (from.process, thread.process);
        if let Some((left, process)) = processes.pair_at_mut(left.index(), entered.index())
            && process.end.is_none()
        {
            let resume = thread.resume;
            cpu.set_current(next, thread);
            cpu.resume = resume;
            arch::leave_process();
            arch::install(&mut thread.state);
            cpu.count_time_of(left);
            left.space.leave();
            cpu.enter_space(entered, process);
            return Some(resume);
        }
        if cpu.install(processes, next, thread) {
            return Some(cpu.resume);
        }
        self.park(next);
        Some(arch::Resume::WORK)
    }

    /// How far the time-stamp counter advanced while nothing ran.
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
    /// Decides what this CPU does when it leaves the kernel, and prepares the processor for it.
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
        if self.system.timers.floor() != 0 {
            cold_path();
            self.let_lower_timers_in();
        }
        let cpu = self.system.cpu();
        let next = match (cpu.current, cpu.handoff) {
            // The current thread waits and woke just one other: switch straight to it.
            (None, Some((woken, _))) if cpu.run_queue.is_empty() => {
                cpu.handoff = None;
                cpu.yielding = false;
                Some(woken)
            }
            // It goes on, with nobody but the one that it woke behind it: that one stays where it is found soonest.
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
            // Nothing is left to be done for it, but there may be many like it: interrupts come in between.
            return arch::Resume::WORK;
        }
        self.arm_timer();
        self.system.cpu().resume
    }

    /// Nothing is ready.
    #[cold]
    fn idle(&mut self) -> arch::Resume {
        let System { cpus, processes, .. } = &mut self.system;
        let cpu = &mut cpus[arch::cpu_index() as usize];
        cpu.count_time(processes);
        cpu.idle = true;
        cpu.resume = arch::Resume::IDLE;
        if let Some(thread) = cpu.installed.take().and_then(|id| self.system.threads.get_mut(id)) {
            arch::save(&mut thread.state);
        }
        arch::install_none();
        self.arm_idle_timer();
        arch::Resume::IDLE
    }
}
