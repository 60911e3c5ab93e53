//! One CPU: the thread that runs on it, and how another takes its place.

use crate::{
    arch,
    system::{
        process::{Process, ProcessId, Processes},
        thread::{Thread, ThreadId},
    },
};
use capos_kernel_core::{run_queue::RunQueue, turns::Turns};
use core::hint::cold_path;

/// The state of one CPU. Its ids are never stale: a thread that ends is first removed here
/// (`System::forget_thread`), and so is a process (`System::forget_address_space`), whose record outlives its
/// threads.
pub(super) struct Cpu {
    /// The running thread.
    pub(super) current: Option<ThreadId>,
    /// The thread whose processor state is in the registers, even if it is now waiting.
    pub(super) installed: Option<ThreadId>,
    /// The process whose page tables are in use.
    pub(super) loaded: Option<ProcessId>,
    /// The priority of the running thread.
    pub(super) priority: u8,
    /// The thread woken last, with its priority: if the current one waits, it runs next without passing through the
    /// queue.
    pub(super) handoff: Option<(ThreadId, u8)>,
    pub(super) run_queue: RunQueue,
    /// When threads must yield to others of the same priority.
    pub(super) turns: Turns,
    /// The deadline that the timer is set to; `u64::MAX` while it is off.
    pub(super) timer_ns: u64,
    /// The current thread yields to others of the same priority.
    pub(super) yielding: bool,
    /// Whether user mode may currently read the time-stamp counter.
    pub(super) tsc_allowed: bool,
    /// The counter value up to which the loaded process's time has been accounted.
    pub(super) running_since_tsc: u64,
    /// The total idle time, in counter steps.
    pub(super) idle_tsc: u64,
    /// Nothing runs.
    pub(super) idle: bool,
    /// The way back to the installed thread.
    pub(super) resume: arch::Resume,
}

impl Cpu {
    pub(super) const fn new() -> Self {
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

    /// Makes a thread whose state is in the processor the running one.
    #[inline(always)]
    pub(super) fn set_current(&mut self, id: ThreadId, thread: &mut Thread) {
        (self.installed, self.current) = (Some(id), Some(id));
        self.priority = thread.priority();
        self.resume = thread.resume();
        thread.run();
    }

    /// Loads a thread's state into the processor, whose previous state must have been saved. `false` if the thread must
    /// not run any more.
    #[inline(always)]
    pub(super) fn install(&mut self, processes: &mut Processes, id: ThreadId, thread: &mut Thread) -> bool {
        self.set_current(id, thread);
        let process = thread.process();
        if self.loaded == Some(process) {
            thread.install();
            if self.idle {
                self.count_time(processes);
                self.idle = false;
            }
            return true;
        }
        thread.install_other();
        self.enter_process(processes, process)
    }

    /// Loads a process's page tables and starts accounting its time. `false` if the process has ended and the
    /// chosen thread has no kernel work left.
    #[inline(never)]
    fn enter_process(&mut self, processes: &mut Processes, id: ProcessId) -> bool {
        self.leave_address_space(processes);
        self.idle = false;
        let Some(process) = processes.at_mut(id.index()) else { return false };
        if process.has_ended() {
            cold_path();
            self.loaded = None;
            crate::mm::load_kernel_space();
            return self.resume == arch::Resume::WORK;
        }
        self.enter_space(id, process);
        true
    }

    #[inline(always)]
    pub(super) fn enter_space(&mut self, id: ProcessId, process: &mut Process) {
        process.space.load();
        self.loaded = Some(id);
        if self.tsc_allowed != process.may_read_tsc {
            self.tsc_allowed = process.may_read_tsc;
            arch::allow_user_tsc(self.tsc_allowed);
        }
    }

    /// How far the time-stamp counter has advanced since the last call.
    #[inline(always)]
    fn passed(&mut self) -> u64 {
        let now = arch::time::read_tsc();
        now.wrapping_sub(core::mem::replace(&mut self.running_since_tsc, now))
    }

    /// Charges the time since the last accounting to a process that used all of it.
    #[inline(always)]
    pub(super) fn count_time_of(&mut self, process: &mut Process) {
        process.cpu_tsc = process.cpu_tsc.wrapping_add(self.passed());
    }

    /// Charges the time since the last accounting to the process whose page tables are loaded. Returns that process.
    #[inline]
    pub(super) fn count_time<'a>(&mut self, processes: &'a mut Processes) -> Option<&'a mut Process> {
        let passed = self.passed();
        let process = self.loaded.and_then(|id| processes.at_mut(id.index()));
        if self.idle {
            self.idle_tsc += passed;
            return process;
        }
        let process = process?;
        process.cpu_tsc = process.cpu_tsc.wrapping_add(passed);
        Some(process)
    }

    /// Accounts the time of the process whose page tables this CPU stops using.
    #[inline]
    pub(super) fn leave_address_space(&mut self, processes: &mut Processes) {
        if let Some(process) = self.count_time(processes) {
            process.space.leave();
        }
    }
}
