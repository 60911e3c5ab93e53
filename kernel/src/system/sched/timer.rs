//! The timer interrupt: set only when something is due.

use crate::{arch, budget::Budget, kernel::Kernel, system::System};
use capos_kernel_core::work::Work;

/// Number of expired operations to end before the next preemption point.
const EXPIRED_AT_ONCE: u32 = 8;

/// How much too early the timer may fire and still end a turn: its rate differs slightly from the clock's. Without this
/// tolerance, a turn whose end passed between the interrupt and the next check would start again.
const EARLY_NS: u64 = 50_000;

impl System {
    /// Whether the timer will interrupt at a time or earlier.
    #[inline]
    pub(in crate::system) fn is_timer_set_by(&mut self, due_ns: u64) -> bool {
        self.cpu().timer_ns <= due_ns
    }
}

impl Kernel {
    /// Sets the timer to the next deadline, or to the end of the current thread's turn if others of its priority
    /// are ready.
    #[inline(always)]
    pub(super) fn arm_timer(&mut self) {
        // The clock is only verified while something runs, since nobody reads it otherwise.
        let mut due = self.clock.next_check_ns();
        let cpu = self.system.cpu();
        let woken = cpu.handoff.is_some_and(|(_, priority)| priority >= cpu.priority);
        if woken || cpu.run_queue.has_from(cpu.priority) {
            due = due.min(cpu.turns.due_ns(cpu.priority, arch::time::now_ns(), cpu.timer_ns));
        }
        self.arm_for(due);
    }

    /// Sets the timer to the next deadline only.
    pub(super) fn arm_idle_timer(&mut self) {
        if core::mem::replace(&mut self.system.cpu().timer_ns, u64::MAX) != u64::MAX {
            arch::apic::stop_timer();
        }
        self.arm_for(u64::MAX);
    }

    #[inline(always)]
    pub(in crate::system) fn arm_for(&mut self, due_ns: u64) {
        let due_ns = due_ns.min(self.system.sched.timers.earliest_ns()).min(self.ipc.earliest_ns());
        let cpu = self.system.cpu();
        // An early interrupt does no harm and costs less than setting the timer again.
        if due_ns < cpu.timer_ns {
            cpu.timer_ns = due_ns;
            arch::apic::set_timer(due_ns.saturating_sub(arch::time::now_ns()));
        }
    }

    /// Handles the timer interrupt.
    pub(crate) fn timer_interrupt(&mut self) {
        self.check_clock();
        let now = arch::time::now_ns();
        let cpu = self.system.cpu();
        cpu.timer_ns = u64::MAX;
        if cpu.current.is_some() {
            cpu.yielding |= cpu.turns.end_if_over(cpu.priority, now.saturating_add(EARLY_NS));
        }
        // Deadlines of threads whose priority is too low to run now are processed later.
        let running = cpu.current.map_or(0, |_| cpu.priority);
        self.expire_from(running, now);
        self.attend_alarm();
    }

    /// Ends the expired waits of threads of this priority or a higher one. While deadlines of lower priorities are
    /// overdue, they are ignored.
    fn expire_from(&mut self, priority: u8, now_ns: u64) {
        self.set_timer_floor(priority);
        self.expire(now_ns);
        if priority > 0 {
            self.set_timer_floor(0);
            if self.system.sched.timers.earliest_ns().min(self.ipc.earliest_ns()) <= now_ns {
                self.set_timer_floor(priority);
            }
        }
    }

    /// Ends expired waits, those of the highest priorities first, for as long as one step may take. The rest is
    /// overdue, so the interrupt fires again at once.
    fn expire(&mut self, now_ns: u64) {
        let budget = Budget::start();
        while !budget.is_spent() {
            match self.system.sched.timers.pop_expired(now_ns) {
                Some(id) => self.system.deadline_passed(id, now_ns),
                None => break,
            }
        }
        while !budget.is_spent()
            && self.ipc.expire_step(&mut self.system, now_ns, &mut Work::of(EXPIRED_AT_ONCE))
        {}
    }

    fn set_timer_floor(&mut self, priority: u8) {
        self.system.sched.timers.set_floor(priority);
        self.ipc.set_deadline_floor(priority);
    }

    /// Considers the deadlines of all threads with at least the priority of what would run next, and ends the waits
    /// that have expired: these may include threads of a higher priority.
    pub(super) fn let_lower_timers_in(&mut self) {
        let cpu = self.system.cpu();
        let current = cpu.current.map(|_| cpu.priority);
        let woken = cpu.handoff.map(|(_, priority)| priority);
        let next = current.max(woken).max(cpu.run_queue.highest()).unwrap_or(0);
        if next < self.system.sched.timers.floor() {
            self.expire_from(next, arch::time::now_ns());
        }
    }
}
