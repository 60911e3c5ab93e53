//! Waiting and waking.

use super::{RunState, Thread, ThreadId};
use crate::{arch, kernel::System, work::Enter};
use capos_abi::{ErrorCode, NO_DEADLINE};

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
    pub(crate) fn begin_wait(&mut self, wait: Wait, deadline_ns: u64) -> bool {
        if !self.has_timer_for(deadline_ns) {
            return false;
        }
        self.wait(wait, deadline_ns);
        true
    }

    /// Starts a thread's wait; [`Self::can_wait_until`] must hold.
    #[inline]
    pub(crate) fn wait(&mut self, wait: Wait, deadline_ns: u64) {
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
    pub(crate) fn end_wait(&mut self, result: i64) {
        self.run_state = RunState::Ready;
        self.state.set_result(result);
    }
}

impl System {
    /// Makes the calling thread wait until [`Kernel::wake`], or until the deadline passes.
    ///
    /// # Errors
    /// `BudgetExceeded` if there is no memory for the deadline; the thread then continues.
    #[inline]
    pub fn block_current(&mut self, wait: Wait, deadline_ns: u64) -> Result<(), ErrorCode> {
        let Some(id) = self.current_thread() else { return Ok(()) };
        let Some(thread) = self.threads.get_mut(id) else { return Ok(()) };
        if !thread.begin_wait(wait, deadline_ns) {
            return self.block_with_timer(id, wait, deadline_ns);
        }
        self.stop_current();
        Ok(())
    }

    /// As [`Kernel::block_current`], for thread `id`, whose timer must be set first.
    ///
    /// # Errors
    /// As for [`Kernel::block_current`].
    #[cold]
    pub(crate) fn block_with_timer(
        &mut self,
        id: ThreadId,
        wait: Wait,
        deadline_ns: u64,
    ) -> Result<(), ErrorCode> {
        let Some(thread) = self.threads.get_mut(id) else { return Ok(()) };
        if let Some((_, timer)) = thread.timer.take() {
            self.sched.cancel_timer(timer);
        }
        let timer = self.sched.set_timer(id, thread.priority, deadline_ns);
        thread.timer = Some((deadline_ns, timer.map_err(|_| ErrorCode::BudgetExceeded)?));
        thread.begin_wait(wait, deadline_ns);
        self.stop_current();
        Ok(())
    }

    /// Ends a thread's wait; its system call returns `result`. Does nothing if it is not waiting.
    #[inline]
    pub fn wake(&mut self, id: ThreadId, result: i64) {
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
    pub(crate) fn interrupt_wait(&mut self, id: ThreadId) {
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

    /// Sets the return value of the current thread's system call.
    #[inline]
    pub(crate) fn set_current_result(&mut self, result: i64) {
        if let Some(thread) = self.current_thread().and_then(|id| self.threads.get_mut(id)) {
            thread.state.set_result(result);
        }
    }

    /// The process of the calling thread.
    #[inline]
    pub fn current_process(&mut self) -> Option<crate::process::ProcessId> {
        self.current_thread().and_then(|id| self.threads.get(id)).map(|thread| thread.process)
    }
}
