//! Processes: an address space, capabilities, threads and a budget.

mod lifecycle;
mod load;
mod start;
mod teardown;

use crate::{
    mm::AddressSpace,
    thread::{FutexWaiters, ThreadId},
};
use alloc::{string::String, vec::Vec};
use capos_kernel_core::{arena::Id, ipc::QueueId};

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

/// A process's control block. After the process has ended, it remains until no capability for the process is
/// left.
pub struct Process {
    /// The name, for the log.
    pub name: String,
    /// Its address space.
    pub space: AddressSpace,
    /// Its threads by ring slot.
    threads: Vec<Option<ThreadId>>,
    /// The highest priority its threads may have, and the default of those it spawns.
    pub priority_limit: u8,
    /// Whether RDTSC works in user mode.
    pub may_read_tsc: bool,
    /// The entry point of the fault handler; 0 if there is none.
    pub fault_handler: u64,
    /// The reason it ended; `None` while it runs.
    pub end: Option<ExitCause>,
    /// The progress of its teardown, once it has ended.
    phase: teardown::Phase,
    /// The previous process in the list of those whose teardown was abandoned.
    next_orphan: Option<ProcessId>,
    /// The thread of it that carries out the teardown, or started to; it is removed last.
    last_thread: Option<ThreadId>,
    /// Whether there is a capability for it.
    held: bool,
    /// Its threads that wait on futexes.
    pub(crate) futex_waiters: FutexWaiters,
    /// Queue of the `Process.wait` calls; created by the first.
    pub(crate) waiters: Option<QueueId>,
    /// Processor time used, in counter steps.
    pub cpu_tsc: u64,
}

impl Process {
    pub(crate) fn free_thread_slot(&self) -> Option<u32> {
        let slot = self.threads.iter().position(Option::is_none)?;
        u32::try_from(slot).ok()
    }

    pub(crate) fn set_thread(&mut self, slot: u32, thread: Option<ThreadId>) {
        if let Some(place) = self.threads.get_mut(slot as usize) {
            *place = thread;
        }
    }

    /// The thread in a ring slot.
    pub(crate) fn thread(&self, slot: u32) -> Option<ThreadId> {
        self.threads.get(slot as usize).copied().flatten()
    }

    /// How many threads it has.
    pub fn thread_count(&self) -> u32 {
        self.threads.iter().flatten().count() as u32
    }
}
