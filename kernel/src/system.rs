//! Threads, processes, memory and devices: the state that calls operate on. Each part is a type of its own, in a module
//! below; the rest of the kernel has the operations of [`System`] and of single records.

mod check;
mod machine;
pub mod pci;
pub mod process;
mod sched;
pub mod thread;

use crate::mm::{AddressSpace, MemoryObjects};
use capos_abi::ErrorCode;
use pci::Pci;
use process::{Process, ProcessId, Processes};
use sched::Scheduler;
use thread::{Thread, Threads};

/// Threads, processes, memory and devices. Independent of calls.
pub(crate) struct System {
    threads: Threads,
    processes: Processes,
    objects: MemoryObjects,
    sched: Scheduler,
    pci: Pci,
}

impl System {
    pub(crate) const fn new() -> Self {
        Self {
            threads: Threads::new(),
            processes: Processes::new(),
            objects: MemoryObjects::new(),
            sched: Scheduler::new(),
            pci: Pci::new(),
        }
    }

    /// The thread with this number.
    #[inline(always)]
    pub(crate) fn thread_at(&mut self, index: u32) -> Option<&mut Thread> {
        self.threads.at_mut(index)
    }

    /// The calling thread. During a system call there always is one.
    #[inline]
    pub(crate) fn current(&mut self) -> Option<&mut Thread> {
        self.current_thread().and_then(|id| self.threads.get_mut(id))
    }

    /// The process, unless the id is stale.
    #[inline]
    pub(crate) fn process(&mut self, id: ProcessId) -> Option<&mut Process> {
        self.processes.get_mut(id)
    }

    /// Numbers of processes and threads.
    pub(crate) fn counts(&self) -> (u32, u32) {
        (self.processes.len(), self.threads.len())
    }

    /// The id of the process with this number.
    #[inline]
    pub(crate) fn process_id(&self, index: u32) -> Option<ProcessId> {
        self.processes.id_at(index)
    }

    /// The memory of a process that has not ended, and the memory objects that it maps.
    #[inline]
    pub(crate) fn space(&mut self, id: ProcessId) -> Option<(&mut AddressSpace, &mut MemoryObjects)> {
        Some((&mut self.processes.live(id)?.space, &mut self.objects))
    }

    /// Devices.
    pub(crate) fn pci(&mut self) -> &mut Pci {
        &mut self.pci
    }

    /// Memory objects.
    pub(crate) fn objects(&mut self) -> &mut MemoryObjects {
        &mut self.objects
    }

    /// Copies bytes out of the memory of the process with this number.
    ///
    /// # Errors
    /// `BadAddress` if the process could not read all of them.
    #[inline]
    pub(crate) fn copy_in(&mut self, process: u32, address: u64, into: &mut [u8]) -> Result<(), ErrorCode> {
        let process = self.processes.at_mut(process).ok_or(ErrorCode::BadAddress)?;
        process.space.copy_in(&mut self.objects, address, into)
    }

    /// Copies bytes into the memory of the process with this number.
    ///
    /// # Errors
    /// `BadAddress` if the process could not write all of them; then nothing is written.
    #[inline]
    pub(crate) fn copy_out(&mut self, process: u32, address: u64, from: &[u8]) -> Result<(), ErrorCode> {
        let process = self.processes.at_mut(process).ok_or(ErrorCode::BadAddress)?;
        process.space.copy_out(&mut self.objects, address, from)
    }
}
