//! Futexes: waiting for a word of the process's own memory to change. Those who wait are linked through their own records, in
//! a few lists by address, so that waiting and giving up take a constant time and no memory.

use super::{RunState, ThreadId, Wait};
use crate::{
    kernel::Kernel,
    process::ProcessId,
    work::{Budget, Job},
};
use capos_abi::ErrorCode;

const LISTS: usize = 16;

/// The threads of a process that wait for words.
#[derive(Default)]
pub struct FutexWaiters {
    /// By address: the first and the last.
    lists: [Option<(ThreadId, ThreadId)>; LISTS],
}

/// A waiting thread's neighbours in its list.
#[derive(Clone, Copy, Default, Debug)]
pub struct FutexLinks {
    next: Option<ThreadId>,
    previous: Option<ThreadId>,
}

impl FutexWaiters {
    /// Nobody waits.
    pub(crate) const fn new() -> Self {
        Self { lists: [None; LISTS] }
    }

    /// The list for the word at `address`. Words that are near each other are in different ones.
    fn list(&mut self, address: u64) -> &mut Option<(ThreadId, ThreadId)> {
        &mut self.lists[((address / 4) ^ (address / 256)) as usize % LISTS]
    }
}

/// Waking many threads, as far as it has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waking {
    process: ProcessId,
    address: u64,
    /// How many more are to be woken.
    left: u32,
    woken: u32,
    /// Whether the waking thread ends then.
    exits: bool,
}

impl Kernel {
    /// `FutexWait`: waits while the word at `address` is `expected`.
    ///
    /// # Errors
    /// `BadAddress`, `WouldBlock`, `TimedOut` when the deadline is past already, `BudgetExceeded`.
    pub fn futex_wait(&mut self, address: u64, expected: u32, deadline_ns: u64) -> Result<(), ErrorCode> {
        let Some(id) = self.cpu().current else { return Ok(()) };
        let process_id = self.threads.get(id).ok_or(ErrorCode::Failed)?.process;
        let process = self.processes.get_mut(process_id).ok_or(ErrorCode::Failed)?;
        if process.space.read_u32(&mut self.objects, address)? != expected {
            return Err(ErrorCode::WouldBlock);
        }
        if deadline_ns <= crate::arch::time::now_ns() {
            return Err(ErrorCode::TimedOut);
        }
        self.block_current(Wait::Futex(address), deadline_ns)?;
        let Some(process) = self.processes.get_mut(process_id) else { return Ok(()) };
        let list = process.futex_waiters.list(address);
        let last = list.map(|(_, last)| last);
        *list = Some((list.map_or(id, |(first, _)| first), id));
        if let Some(last) = last.and_then(|last| self.threads.get_mut(last)) {
            last.futex.next = Some(id);
        }
        if let Some(thread) = self.threads.get_mut(id) {
            thread.futex = FutexLinks { next: None, previous: last };
        }
        Ok(())
    }

    /// `FutexWake`: wakes up to `count` threads that wait for the word at `address`, those that wait longest first. Returns how
    /// many, or how many so far if the rest is left to the current thread as work.
    pub fn wake_futex(&mut self, process: ProcessId, address: u64, count: u32) -> u32 {
        let waking = Waking { process, address, left: count, woken: 0, exits: false };
        match self.begin_waking(waking) {
            Ok(woken) => woken,
            Err(rest) => rest.woken,
        }
    }

    /// Wakes everybody who waits for the word at `address`, then ends the current thread.
    pub(super) fn wake_all_and_exit(&mut self, process: ProcessId, address: u64) {
        let waking = Waking { process, address, left: u32::MAX, woken: 0, exits: true };
        if self.begin_waking(waking).is_ok()
            && let Some(id) = self.current_thread()
        {
            self.remove_thread(id);
        }
    }

    /// Wakes some at once. What is left is the current thread's job, and returned.
    fn begin_waking(&mut self, mut waking: Waking) -> Result<u32, Waking> {
        let budget = (waking.left > 1).then(Budget::start);
        if self.wake_some(&mut waking, budget.as_ref()) {
            return Ok(waking.woken);
        }
        if let Some(id) = self.current_thread() {
            self.give_job(id, Job::Wake(waking));
        }
        Err(waking)
    }

    /// Goes on with waking. Returns what is left.
    pub(crate) fn wake_more(&mut self, mut waking: Waking, budget: &Budget) -> Option<Waking> {
        if !self.wake_some(&mut waking, Some(budget)) {
            return Some(waking);
        }
        match self.current_thread() {
            Some(id) if waking.exits => self.remove_thread(id),
            _ => self.set_current_result(waking.woken.into()),
        }
        None
    }

    /// Wakes threads as far as the budget goes. `true` when all are woken that are to be.
    fn wake_some(&mut self, waking: &mut Waking, budget: Option<&Budget>) -> bool {
        let Some(process) = self.processes.get_mut(waking.process) else { return true };
        let mut next = process.futex_waiters.list(waking.address).map(|(first, _)| first);
        while waking.left > 0 {
            let Some((id, thread)) = next.and_then(|id| Some((id, self.threads.get(id)?))) else {
                return true;
            };
            next = thread.futex.next;
            if thread.run_state != RunState::Waiting(Wait::Futex(waking.address)) {
                continue;
            }
            self.leave_futex(id);
            self.wake(id, 0);
            waking.left -= 1;
            waking.woken = waking.woken.saturating_add(1);
            if budget.is_some_and(Budget::is_spent) {
                return false;
            }
        }
        true
    }

    /// Takes a thread out of the list that it may wait in.
    pub(crate) fn leave_futex(&mut self, id: ThreadId) {
        let Some(thread) = self.threads.get_mut(id) else { return };
        let RunState::Waiting(Wait::Futex(address)) = thread.run_state else { return };
        let FutexLinks { next, previous } = core::mem::take(&mut thread.futex);
        let process = thread.process;
        if let Some(next) = next.and_then(|next| self.threads.get_mut(next)) {
            next.futex.previous = previous;
        }
        if let Some(previous) = previous.and_then(|previous| self.threads.get_mut(previous)) {
            previous.futex.next = next;
        }
        let Some(process) = self.processes.get_mut(process) else { return };
        let list = process.futex_waiters.list(address);
        *list = list.and_then(|(first, last)| {
            let first = if first == id { next } else { Some(first) };
            let last = if last == id { previous } else { Some(last) };
            first.zip(last)
        });
    }
}
