//! Waiting and waking.

use super::{RunState, Thread, ThreadId};
use crate::kernel::{Kernel, TimerEvent};
use capos_abi::{ErrorCode, NO_DEADLINE};
use capos_kernel_core::timers::TimerId;

/// What a thread waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// `CapEnter`: until this many completions are unread.
    Completions(u32),
    /// `FutexWait` on the word at this address of its process.
    Futex(u64),
}

impl Thread {
    /// Makes a thread that waits ready: its system call returns `result`. The deadline that it had is no more needed.
    #[inline]
    pub(crate) fn end_wait(&mut self, result: i64) -> Option<TimerId<TimerEvent>> {
        self.run_state = RunState::Ready;
        self.state.set_result(result);
        self.deadline.take()
    }
}

impl Kernel {
    /// Makes the calling thread wait until [`Kernel::wake`], or until the deadline passes.
    ///
    /// # Errors
    /// `BudgetExceeded` when there is no memory for the deadline; the thread goes on then.
    #[inline]
    pub fn block_current(&mut self, wait: Wait, deadline_ns: u64) -> Result<(), ErrorCode> {
        let Some(id) = self.cpu().current else { return Ok(()) };
        if deadline_ns != NO_DEADLINE {
            self.set_deadline(id, deadline_ns)?;
        }
        if let Some(thread) = self.threads.get_mut(id) {
            thread.run_state = RunState::Waiting(wait);
        }
        self.cpu().current = None;
        Ok(())
    }

    /// Sets when the wait of a thread that is about to begin one ends. Threads that run have no deadline.
    #[cold]
    fn set_deadline(&mut self, id: ThreadId, deadline_ns: u64) -> Result<(), ErrorCode> {
        let timer = self.timers.insert(deadline_ns, TimerEvent::Thread(id));
        let timer = timer.map_err(|_| ErrorCode::BudgetExceeded)?;
        if let Some(thread) = self.threads.get_mut(id) {
            thread.deadline = Some(timer);
        }
        Ok(())
    }

    /// Ends a thread's wait: its system call returns `result`. Does nothing if it does not wait.
    #[inline]
    pub fn wake(&mut self, id: ThreadId, result: i64) {
        let Some(thread) = self.threads.get_mut(id) else { return };
        if !matches!(thread.run_state, RunState::Waiting(_)) {
            return;
        }
        let deadline = thread.end_wait(result);
        self.made_ready(id, deadline);
    }

    /// Lets a thread whose wait has ended run when its turn comes, and forgets its deadline.
    #[inline]
    pub(crate) fn made_ready(&mut self, id: ThreadId, deadline: Option<TimerId<TimerEvent>>) {
        if let Some(timer) = deadline {
            self.forget_deadline(timer);
        }
        self.make_ready(id);
    }

    #[cold]
    fn forget_deadline(&mut self, timer: TimerId<TimerEvent>) {
        self.timers.cancel(timer);
    }

    /// Sets what the current thread's system call returns.
    #[inline]
    pub(crate) fn set_current_result(&mut self, result: i64) {
        if let Some(thread) = self.cpu().current.and_then(|id| self.threads.get_mut(id)) {
            thread.state.set_result(result);
        }
    }

    /// The process of the calling thread.
    #[inline]
    pub fn current_process(&mut self) -> Option<crate::process::ProcessId> {
        self.cpu().current.and_then(|id| self.threads.get(id)).map(|thread| thread.process)
    }

    /// The calling thread. There always is one during a system call.
    #[inline]
    pub fn current_thread(&mut self) -> Option<ThreadId> {
        self.cpu().current
    }
}
