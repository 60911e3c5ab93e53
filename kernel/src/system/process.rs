//! Processes: an address space, capabilities, threads and a budget.

mod check;
mod lifecycle;
mod load;
mod start;
mod teardown;

use super::thread::{FutexWaiters, ThreadId};
use crate::{
    arch::{Trap, time},
    mm::{AddressSpace, FrameBudget},
};
use alloc::{string::String, vec::Vec};
use capos_kernel_core::{
    arena::{Arena, Id},
    ipc::QueueId,
};
use core::ops::Deref;

pub use load::LoadError;
pub use start::{Bootstrap, NewProcess, ProcessLimits, StartError};

/// Identifies a process.
pub type ProcessId = Id<Process>;

/// A processor fault that ended a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FaultCause {
    /// x86 exception number.
    pub vector: u8,
    /// Its error code.
    pub error_code: u32,
    /// Address accessed (page faults), or 0.
    pub address: u64,
    /// The address of the instruction.
    pub instruction_pointer: u64,
}

impl FaultCause {
    /// The fault that `trap` reports.
    pub const fn of(trap: &Trap) -> Self {
        let Trap { vector, error_code, address, instruction_pointer } = *trap;
        Self { vector: vector as u8, error_code: error_code as u32, address, instruction_pointer }
    }
}

/// The reason that a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExitCause {
    /// It exited with this status.
    Exited(i32),
    /// It was killed through its capability.
    Killed,
    /// A fault that no handler handled.
    Fault(FaultCause),
    /// A page was touched for which there was no frame.
    OutOfMemory(FaultCause, UsedUp),
}

/// The memory that was exhausted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UsedUp {
    /// The process's budget.
    Budget,
    /// The machine's memory.
    Machine,
}

const MAX_PROCESSES: u32 = 1 << 16;

/// Every process, including ended ones to which capabilities remain.
pub(super) struct Processes {
    all: Arena<Process>,
    /// A process that must be torn down but is not assigned to any thread; linked to the next.
    orphans: Option<ProcessId>,
}

impl Processes {
    pub(super) const fn new() -> Self {
        Self { all: Arena::new(MAX_PROCESSES), orphans: None }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: ProcessId) -> Option<&mut Process> {
        self.all.get_mut(id)
    }

    /// A process that has not ended.
    #[inline]
    pub(super) fn live(&mut self, id: ProcessId) -> Option<&mut Process> {
        self.all.get_mut(id).filter(|process| process.end.is_none())
    }

    #[inline(always)]
    pub(super) fn at_mut(&mut self, index: u32) -> Option<&mut Process> {
        self.all.at_mut(index)
    }

    #[inline(always)]
    pub(super) fn pair_at_mut(&mut self, first: u32, second: u32) -> Option<(&mut Process, &mut Process)> {
        self.all.pair_at_mut(first, second)
    }

    /// Charges frames to a process that has not ended. `false` if it cannot pay for them.
    pub(super) fn charge(&mut self, payer: ProcessId, pages: u64) -> bool {
        self.live(payer).is_some_and(|process| process.space.budget.charge(pages))
    }

    /// Refunds frames to the process that paid for them, if it still exists.
    pub(super) fn refund(&mut self, payer: Option<ProcessId>, pages: u64) {
        if let Some(process) = payer.and_then(|payer| self.all.get_mut(payer)) {
            process.space.budget.refund(pages);
        }
    }

    /// Frees the record of a process of which nothing else is left and to which no capability leads.
    fn free_if_done(&mut self, id: ProcessId) {
        if self.all.get(id).is_some_and(|process| process.is_closed() && !process.held) {
            self.all.remove(id);
        }
    }
}

/// Records are read freely; what is written goes through the methods above.
impl Deref for Processes {
    type Target = Arena<Process>;

    #[inline(always)]
    fn deref(&self) -> &Arena<Process> {
        &self.all
    }
}

/// A process's control block. After the process has ended, it remains until no capability for the process is
/// left.
pub struct Process {
    /// The name, for the log.
    name: String,
    /// Its address space.
    pub(super) space: AddressSpace,
    /// Its threads by ring slot.
    threads: Vec<Option<ThreadId>>,
    /// The highest priority its threads may have, and the default of those it spawns.
    priority_limit: u8,
    /// Whether RDTSC works in user mode.
    pub(super) may_read_tsc: bool,
    /// The entry point of the fault handler; 0 if there is none.
    pub(super) fault_handler: u64,
    /// The reason it ended; `None` while it runs.
    end: Option<ExitCause>,
    /// The progress of its teardown, once it has ended.
    phase: teardown::Phase,
    /// The previous process in the list of those whose teardown was abandoned.
    next_orphan: Option<ProcessId>,
    /// The thread of it that carries out the teardown, or started to; it is removed last.
    last_thread: Option<ThreadId>,
    /// Whether there is a capability for it.
    held: bool,
    /// Its threads that wait on futexes.
    pub(super) futex_waiters: FutexWaiters,
    /// Queue of the `Process.wait` calls; created by the first.
    waiters: Option<QueueId>,
    /// Processor time used, in counter steps.
    pub(super) cpu_tsc: u64,
}

impl Process {
    pub(super) fn free_thread_slot(&self) -> Option<u32> {
        let slot = self.threads.iter().position(Option::is_none)?;
        u32::try_from(slot).ok()
    }

    pub(super) fn set_thread(&mut self, slot: u32, thread: Option<ThreadId>) {
        if let Some(place) = self.threads.get_mut(slot as usize) {
            *place = thread;
        }
    }

    /// The thread in a ring slot.
    pub(super) fn thread(&self, slot: u32) -> Option<ThreadId> {
        self.threads.get(slot as usize).copied().flatten()
    }

    /// How many threads it has.
    pub fn thread_count(&self) -> u32 {
        self.threads.iter().flatten().count() as u32
    }

    /// The highest priority its threads may have, and the default of those it spawns.
    pub(crate) const fn priority_limit(&self) -> u8 {
        self.priority_limit
    }

    /// The reason it ended, if it has.
    pub(crate) const fn cause(&self) -> Option<ExitCause> {
        self.end
    }

    /// Sets the entry point of the fault handler; 0 for none.
    pub(crate) const fn set_fault_handler(&mut self, entry: u64) {
        self.fault_handler = entry;
    }

    /// Whether none of its threads runs any more.
    #[inline(always)]
    pub(crate) const fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// The queue of calls that wait for its end, if there are any.
    pub(crate) const fn waiters(&mut self) -> &mut Option<QueueId> {
        &mut self.waiters
    }

    /// Its frame budget and usage.
    pub(crate) const fn budget(&self) -> FrameBudget {
        self.space.budget
    }

    /// Processor time used.
    pub(crate) fn cpu_ns(&self) -> u64 {
        time::duration_ns(self.cpu_tsc)
    }
}
