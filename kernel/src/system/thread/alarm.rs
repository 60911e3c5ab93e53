//! Alarms of threads.
//!
//! While a thread's alarm is set, its record says that it resumes with a look at the alarm (`Thread::resume`). So whenever it
//! has been switched to, the alarm is delivered or the timer set for it, unless the timer will interrupt no later than that
//! anyway; and a thread without an alarm never pays for one.

use crate::{
    arch::{self, Resume, Trap},
    kernel::Kernel,
    system::{
        System,
        process::{ExitCause, FaultCause},
    },
};
use capos_abi::ALARM_VECTOR;
use capos_kernel_core::alarm::{Alarm, Demand};

impl super::Thread {
    /// How it resumes next time when it has no other work left.
    pub(super) fn resume_without_work(&mut self) -> Resume {
        if self.alarm.is_set() { Resume::ALARM } else { Resume::installed(&mut self.state) }
    }
}

impl Kernel {
    /// `SetAlarm`: sets the calling thread's alarm, or switches it off.
    #[inline]
    pub(crate) fn set_alarm(&mut self, deadline_ns: u64) {
        let Some(thread) = self.system.current() else { return };
        thread.alarm = Alarm::at(deadline_ns);
        // It has no work left, since it was in its program.
        thread.resume = thread.resume_without_work();
        thread.set_result(0);
        self.attend_alarm();
    }

    /// Delivers the current thread's alarm if its time has come, or sets the timer for it. If the thread has work left, that
    /// comes first.
    pub(crate) fn attend_alarm(&mut self) {
        if self.system.has_work() {
            return;
        }
        let Some(thread) = self.system.current() else { return };
        match thread.alarm.demand(arch::time::now_ns) {
            Demand::Nothing => {}
            Demand::Timer(deadline_ns) => self.arm_for(deadline_ns),
            Demand::Delivery => self.system.deliver_alarm(),
        }
    }
}

impl System {
    /// Lets the current thread, which was just switched to, continue in its program. `None` if its alarm needs attention: the
    /// timer is not set, or set for later.
    pub(crate) fn pass_alarm(&mut self) -> Option<Resume> {
        let id = self.current_thread()?;
        let thread = self.threads.get_mut(id)?;
        let (resume, deadline_ns) = (Resume::installed(&mut thread.state), thread.alarm.deadline_ns());
        self.resume_changed(id, resume);
        self.is_timer_set_by(deadline_ns).then_some(resume)
    }

    /// Makes the current thread enter its process's fault handler, if there is one, and switches its alarm off.
    fn deliver_alarm(&mut self) {
        let Some(thread) = self.current() else { return };
        thread.alarm = Alarm::OFF;
        thread.resume = thread.resume_without_work();
        thread.state.complete();
        let process = thread.process;
        let instruction_pointer = thread.state.instruction_pointer();
        if self.processes.get_mut(process).is_none_or(|process| process.fault_handler == 0) {
            return;
        }
        let trap = Trap { vector: ALARM_VECTOR, error_code: 0, address: 0, instruction_pointer };
        if !self.enter_handler(&trap) {
            self.end_process(process, ExitCause::Fault(FaultCause::of(&trap)));
        }
    }
}
