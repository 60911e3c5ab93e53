//! Waiting and waking.

use super::{RunState, ThreadId};
use crate::kernel::{Kernel, TimerEvent};
use capos_abi::{ErrorCode, NO_DEADLINE};

/// What a thread waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// `CapEnter`: until this many completions are unread.
    Completions(u32),
    /// `FutexWait` on the word at this address of its process.
    Futex(u64),
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
        thread.run_state = RunState::Ready;
        thread.state.set_result(result);
        if let Some(timer) = thread.deadline.take() {
            self.timers.cancel(timer);
        }
        self.make_ready(id);
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
