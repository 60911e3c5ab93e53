//! Futexes: waiting for a word of the process's own memory to change. Waiting threads are linked through their own
//! records in a few lists selected by address, so that waiting and cancelling take constant time and no memory.

use super::{Job, ThreadId, Wait, wait::RunState};
use crate::{
    budget::Budget,
    kernel::Kernel,
    system::{System, process::ProcessId},
};
use capos_abi::{ErrorCode, NO_DEADLINE};
use capos_kernel_core::NONE;

const LISTS: usize = 16;

/// The threads of a process that wait on futexes: lists selected by address.
pub struct FutexWaiters {
    lists: [WaitList; LISTS],
}

/// The positions of the first and last thread of a list; [`NONE`] if it is empty.
#[derive(Clone, Copy)]
struct WaitList {
    first: u32,
    last: u32,
}

/// The positions of a waiting thread's neighbours in its list, or [`NONE`].
#[derive(Clone, Copy, Debug)]
pub(super) struct FutexLinks {
    next: u32,
    previous: u32,
}

impl FutexLinks {
    /// The links of a thread without neighbours.
    pub(super) const NONE: Self = Self { next: NONE, previous: NONE };
}

impl FutexWaiters {
    /// No thread waits.
    pub(crate) const fn new() -> Self {
        Self { lists: [WaitList { first: NONE, last: NONE }; LISTS] }
    }

    /// The list for the word at `address`. Adjacent words are in different lists.
    #[inline]
    fn list(&mut self, address: u64) -> &mut WaitList {
        &mut self.lists[((address / 4) ^ (address / 256)) as usize % LISTS]
    }
}

/// A wake-up of many threads and its progress.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waking {
    process: ProcessId,
    address: u64,
    /// How many more threads are to be woken.
    left: u32,
    woken: u32,
    /// Whether the waking thread exits afterwards.
    exits: bool,
}

impl System {
    /// `FutexWait`: waits while the word at `address` is `expected`.
    ///
    /// # Errors
    /// `BadAddress`, `WouldBlock`, `TimedOut` if the deadline has already passed, `BudgetExceeded`.
    #[inline(never)]
    pub fn futex_wait(&mut self, address: u64, expected: u32, deadline_ns: u64) -> Result<(), ErrorCode> {
        let Some(id) = self.current_thread() else { return Ok(()) };
        let process_id = self.threads.get(id).ok_or(ErrorCode::Failed)?.process;
        let process = self.processes.get_mut(process_id).ok_or(ErrorCode::Failed)?;
        if process.space.read_u32(&mut self.objects, address)? != expected {
            return Err(ErrorCode::WouldBlock);
        }
        if deadline_ns != NO_DEADLINE && deadline_ns <= crate::arch::time::now_ns() {
            return Err(ErrorCode::TimedOut);
        }
        self.block_current(Wait::Futex(address), deadline_ns)?;
        let Some(process) = self.processes.get_mut(process_id) else { return Ok(()) };
        let ends = process.futex_waiters.list(address);
        let last = core::mem::replace(&mut ends.last, id.index());
        match self.threads.at_mut(last) {
            Some(last) => last.futex.next = id.index(),
            None => ends.first = id.index(),
        }
        if let Some(thread) = self.threads.get_mut(id) {
            thread.futex = FutexLinks { next: NONE, previous: last };
        }
        Ok(())
    }

    /// `FutexWake`: wakes up to `count` threads that wait for the word at `address`, the longest-waiting first.
    /// Returns how many, or how many so far if the rest is left to the current thread as work.
    #[inline(never)]
    pub fn wake_futex(&mut self, process: ProcessId, address: u64, count: u32) -> u32 {
        let waking = Waking { process, address, left: count, woken: 0, exits: false };
        match self.begin_waking(waking) {
            Ok(woken) => woken,
            Err(rest) => rest.woken,
        }
    }

    /// Wakes some threads at once. The remaining work is returned, and the current thread carries it out.
    #[inline]
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

    /// Wakes threads as far as the budget allows. `true` if no more are to be woken.
    #[inline]
    fn wake_some(&mut self, waking: &mut Waking, budget: Option<&Budget>) -> bool {
        let Some(process) = self.processes.get_mut(waking.process) else { return true };
        let mut next = process.futex_waiters.list(waking.address).first;
        while waking.left > 0 {
            let Some((id, thread)) = self.threads.all.entry_at_mut(next) else { return true };
            let links = thread.futex;
            next = links.next;
            if thread.run_state != RunState::Waiting(Wait::Futex(waking.address)) {
                continue;
            }
            thread.end_wait(0);
            let priority = thread.priority;
            self.unlink_futex(waking.process, waking.address, links);
            self.make_ready(id, priority);
            waking.left -= 1;
            waking.woken = waking.woken.saturating_add(1);
            if budget.is_some_and(Budget::is_spent) {
                return false;
            }
        }
        true
    }

    /// Removes a thread from the futex list it may be in.
    #[inline]
    pub(super) fn leave_futex(&mut self, id: ThreadId) {
        let Some(thread) = self.threads.get_mut(id) else { return };
        let (process, links) = (thread.process, thread.futex);
        if let RunState::Waiting(Wait::Futex(address)) = thread.run_state {
            self.unlink_futex(process, address, links);
        }
    }

    /// Removes the thread with these links from the list for the word at `address`.
    #[inline]
    fn unlink_futex(&mut self, process: ProcessId, address: u64, links: FutexLinks) {
        let FutexLinks { next, previous } = links;
        let Some(process) = self.processes.get_mut(process) else { return };
        let ends = process.futex_waiters.list(address);
        match self.threads.at_mut(next) {
            Some(next) => next.futex.previous = previous,
            None => ends.last = previous,
        }
        match self.threads.at_mut(previous) {
            Some(previous) => previous.futex.next = next,
            None => ends.first = next,
        }
    }
}

impl Kernel {
    /// Wakes all threads that wait for the word at `address`, then ends the current thread.
    pub(super) fn wake_all_and_exit(&mut self, process: ProcessId, address: u64) {
        let waking = Waking { process, address, left: u32::MAX, woken: 0, exits: true };
        if self.system.begin_waking(waking).is_ok()
            && let Some(id) = self.system.current_thread()
        {
            self.remove_thread(id);
        }
    }

    /// Continues waking. Returns the remaining work.
    pub(super) fn wake_more(&mut self, mut waking: Waking, budget: &Budget) -> Option<Waking> {
        if !self.system.wake_some(&mut waking, Some(budget)) {
            return Some(waking);
        }
        match self.system.current_thread() {
            Some(id) if waking.exits => self.remove_thread(id),
            _ => self.system.set_current_result(waking.woken.into()),
        }
        None
    }
}
