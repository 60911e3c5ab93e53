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
pub use start::{Bootstrap, Limits, NewProcess, StartError};

/// Names a process.
pub type ProcessId = Id<Process>;

/// A processor fault that ended a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FaultCause {
    /// The x86 exception number.
    pub vector: u8,
    /// Its error code.
    pub error_code: u32,
    /// The address accessed (page faults), or 0.
    pub address: u64,
    /// Where it happened.
    pub instruction_pointer: u64,
}

/// Why a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExitCause {
    /// It ended itself with this status.
    Exited(i32),
    /// Somebody who may ended it.
    Killed,
    /// A fault that no handler took.
    Fault(FaultCause),
    /// A page was touched and there was no frame for it.
    OutOfMemory(FaultCause, UsedUp),
}

/// Memory of which there was no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UsedUp {
    /// That of the process's budget.
    Budget,
    /// That of the machine.
    Machine,
}

/// A process's control block. After the end it stays until nobody holds a capability of the process.
pub struct Process {
    /// For the log.
    pub name: String,
    /// Its memory.
    pub space: AddressSpace,
    /// By ring slot.
    threads: Vec<Option<ThreadId>>,
    /// The highest priority its threads may have, and the default of those it spawns.
    pub priority_limit: u8,
    /// Whether RDTSC works in user mode.
    pub may_read_tsc: bool,
    /// Where faults enter; 0 for nowhere.
    pub fault_handler: u64,
    /// Why it ended; `None` while it runs.
    pub end: Option<ExitCause>,
    /// How far its end has come, once it has ended.
    phase: teardown::Phase,
    /// Among those whose taking down was left behind, the one before.
    next_orphan: Option<ProcessId>,
    /// The one of its threads that took it down, or began to: it goes last.
    last_thread: Option<ThreadId>,
    /// Whether anybody holds a capability of it.
    held: bool,
    /// Which of its threads wait for words.
    pub(crate) futex_waiters: FutexWaiters,
    /// Calls of `Process.wait`, once there was one.
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
