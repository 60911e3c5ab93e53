//! Futexes: waiting for a word of the process's own memory to change.

use super::{RunState, ThreadId, Wait};
use crate::{kernel::Kernel, process::ProcessId};
use capos_abi::ErrorCode;

impl Kernel {
    /// `FutexWait`: waits while the word at `address` is `expected`. `Ok(true)` when the thread waits now.
    ///
    /// # Errors
    /// `BadAddress`, `WouldBlock`, `TimedOut` when the deadline is past already, `BudgetExceeded`.
    pub fn futex_wait(&mut self, address: u64, expected: u32, deadline_ns: u64) -> Result<(), ErrorCode> {
        let Some(id) = self.cpu().current else { return Ok(()) };
        let thread = self.threads.get(id).ok_or(ErrorCode::Failed)?;
        let process = self.processes.get_mut(thread.process).ok_or(ErrorCode::Failed)?;
        if process.space.read_u32(&mut self.objects, address)? != expected {
            return Err(ErrorCode::WouldBlock);
        }
        if deadline_ns <= crate::arch::time::now_ns() {
            return Err(ErrorCode::TimedOut);
        }
        process.futex_waiters.try_reserve(1).map_err(|_| ErrorCode::BudgetExceeded)?;
        process.futex_waiters.push((address, id));
        let blocked = self.block_current(Wait::Futex(address), deadline_ns);
        if blocked.is_err() {
            self.leave_futex(id);
        }
        blocked
    }

    /// `FutexWake`: wakes up to `count` threads that wait for the word at `address`, those that wait longest first.
    pub fn wake_futex(&mut self, process_id: ProcessId, address: u64, count: u32) -> u32 {
        let mut woken = 0;
        while woken < count {
            let Some(process) = self.processes.get_mut(process_id) else { break };
            let waiters = &mut process.futex_waiters;
            let Some(position) = waiters.iter().position(|(at, _)| *at == address) else { break };
            let (_, id) = waiters.remove(position);
            self.wake(id, 0);
            woken += 1;
        }
        woken
    }

    /// Takes a thread out of the list of waiters it may be in.
    pub(crate) fn leave_futex(&mut self, id: ThreadId) {
        let Some(thread) = self.threads.get(id) else { return };
        // A thread that has just been queued is still running when its wait fails.
        if !matches!(thread.run_state, RunState::Waiting(Wait::Futex(_)) | RunState::Running) {
            return;
        }
        if let Some(process) = self.processes.get_mut(thread.process) {
            process.futex_waiters.retain(|(_, waiter)| *waiter != id);
        }
    }
}
