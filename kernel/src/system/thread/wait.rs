//! Waiting and waking.

use super::{Enter, Thread, ThreadId};
use crate::{
    arch,
    syscall::failure,
    system::{System, process::ProcessId},
};
use capos_abi::{ErrorCode, NO_DEADLINE};

/// Whether a thread runs, is ready, or waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RunState {
    /// Ready to run.
    Ready,
    /// Running, or about to when its CPU leaves the kernel.
    Running,
    /// Waits.
    Waiting(Wait),
}

/// The event that a thread waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// `CapEnter`: until this number of completions is unread.
    Completions(u32),
    /// `FutexWait` on the word at this address of its process.
    Futex(u64),
    /// Its own end: its process has ended.
    End,
}

impl Thread {
    /// Starts a thread's wait. Returns false and does nothing if its timer must be set first.
    #[inline]
    fn begin_wait(&mut self, wait: Wait, deadline_ns: u64) -> bool {
        if !self.has_timer_for(deadline_ns) {
            return false;
        }
        self.wait(wait, deadline_ns);
        true
    }

    /// Starts a thread's wait; [`Self::can_wait_until`] must hold.
    #[inline]
    pub(super) fn wait(&mut self, wait: Wait, deadline_ns: u64) {
        self.run_state = RunState::Waiting(wait);
        self.wait_until_ns = deadline_ns;
    }

    /// Whether the timer that a wait until then requires is set.
    #[inline]
    fn has_timer_for(&self, deadline_ns: u64) -> bool {
        deadline_ns == NO_DEADLINE || self.timer.is_some_and(|(set_for_ns, _)| set_for_ns == deadline_ns)
    }

    /// Whether a wait until then would actually wait and needs no timer to be set.
    #[inline]
    pub(crate) fn can_wait_until(&self, deadline_ns: u64) -> bool {
        deadline_ns == NO_DEADLINE || (self.has_timer_for(deadline_ns) && deadline_ns > arch::time::now_ns())
    }

    /// Makes a waiting thread ready; its system call returns `result`. Its timer remains set.
    #[inline]
    pub(super) fn end_wait(&mut self, result: i64) {
        self.run_state = RunState::Ready;
        self.state.set_result(result);
    }

    /// Records that it runs.
    #[inline(always)]
    pub(in crate::system) fn run(&mut self) {
        self.run_state = RunState::Running;
    }

    /// Records that it is ready, and not running or waiting any more.
    #[inline(always)]
    pub(in crate::system) fn stop(&mut self) {
        self.run_state = RunState::Ready;
    }

    /// Lets it wait for its own end.
    pub(in crate::system) fn park(&mut self) {
        self.run_state = RunState::Waiting(Wait::End);
    }

    /// Whether it waits for a time without a timer that would end the wait.
    pub(super) fn is_stuck(&self) -> bool {
        matches!(self.run_state, RunState::Waiting(_))
            && self.wait_until_ns != NO_DEADLINE
            && self.timer.is_none()
    }
}

impl System {
    /// Makes the calling thread wait until [`Self::wake`], or until the deadline passes.
    ///
    /// # Errors
    /// `BudgetExceeded` if there is no memory for the deadline; the thread then continues.
    #[inline]
    pub fn block_current(&mut self, wait: Wait, deadline_ns: u64) -> Result<(), ErrorCode> {
        let Some(thread) = self.current() else { return Ok(()) };
        if !thread.begin_wait(wait, deadline_ns) {
            return self.block_with_timer(wait, deadline_ns);
        }
        self.stop_current();
        Ok(())
    }

    /// As [`Self::block_current`], if the thread's timer must be set first.
    #[cold]
    #[inline(never)]
    fn block_with_timer(&mut self, wait: Wait, deadline_ns: u64) -> Result<(), ErrorCode> {
        let Some(id) = self.current_thread() else { return Ok(()) };
        let Some(thread) = self.threads.get_mut(id) else { return Ok(()) };
        if let Some((_, timer)) = thread.timer.take() {
            self.sched.cancel_timer(timer);
        }
        let timer = self.sched.set_timer(id, thread.priority, deadline_ns);
        thread.timer = Some((deadline_ns, timer.map_err(|_| ErrorCode::BudgetExceeded)?));
        thread.wait(wait, deadline_ns);
        self.stop_current();
        Ok(())
    }

    /// Ends a thread's wait; its system call returns `result`. Does nothing if it is not waiting.
    #[inline]
    pub(super) fn wake(&mut self, id: ThreadId, result: i64) {
        let Some(thread) = self.threads.get_mut(id) else { return };
        if !matches!(thread.run_state, RunState::Waiting(_)) {
            return;
        }
        thread.end_wait(result);
        let priority = thread.priority;
        self.make_ready(id, priority);
    }

    /// Makes a waiting thread run because it has been given work. If it was waiting for completions, it resumes the
    /// wait when the work is done.
    pub(super) fn interrupt_wait(&mut self, id: ThreadId) {
        let Some(thread) = self.threads.get_mut(id) else { return };
        match thread.run_state {
            RunState::Waiting(Wait::Completions(wait_for)) => {
                thread.run_state = RunState::Ready;
                let (wait_for, deadline_ns) = (wait_for.into(), thread.wait_until_ns);
                let priority = thread.priority;
                self.put_off(id, Enter { submit: 0, wait_for, deadline_ns });
                self.make_ready(id, priority);
            }
            RunState::Waiting(Wait::Futex(_)) => {
                self.leave_futex(id);
                self.wake(id, 0);
            }
            RunState::Waiting(Wait::End) | RunState::Ready | RunState::Running => {}
        }
    }

    /// Handles the expired timer of a thread.
    pub(in crate::system) fn deadline_passed(&mut self, id: ThreadId, now_ns: u64) {
        let Some(thread) = self.threads.get_mut(id) else { return };
        thread.timer = None;
        // The timer may belong to an earlier wait.
        if thread.wait_until_ns > now_ns {
            return;
        }
        match thread.run_state {
            RunState::Waiting(Wait::Futex(_)) => {
                self.leave_futex(id);
                self.wake(id, failure(ErrorCode::TimedOut));
            }
            RunState::Waiting(Wait::Completions(_)) => {
                let unread = thread.unread_completions().map_or_else(failure, i64::from);
                self.wake(id, unread);
            }
            RunState::Waiting(Wait::End) | RunState::Ready | RunState::Running => {}
        }
    }

    /// Sets the return value of the current thread's system call.
    #[inline]
    pub(crate) fn set_current_result(&mut self, result: i64) {
        if let Some(thread) = self.current() {
            thread.state.set_result(result);
        }
    }

    /// The process of the calling thread.
    #[inline]
    pub fn current_process(&mut self) -> Option<ProcessId> {
        self.current().map(|thread| thread.process)
    }
}
