//! The end of threads and processes.

use super::{Ipc, Machine, Operation, State};
use capos_abi::ErrorCode;

impl Ipc {
    /// Ends a thread's operations, without completions; servers that are answering it are told.
    pub fn close_thread<M: Machine>(&mut self, machine: &mut M, thread: u32) {
        while let Some(id) = self.find_operation(thread, |_| true) {
            self.give_up(machine, id, None);
        }
        if let Some(entry) = self.threads.get_mut(thread as usize) {
            *entry = None;
        }
    }

    /// Ends a process whose threads are closed: the calls it was answering fail, its capabilities go.
    pub fn close_process<M: Machine>(&mut self, machine: &mut M, process: u32) {
        for thread in 0..self.threads.len() as u32 {
            let answered = |operation: &Operation| operation.state == State::Open(process);
            while let Some(id) = self.find_operation(thread, answered) {
                self.finish(machine, id, Some(ErrorCode::Disconnected));
            }
        }
        while let Some(id) = self
            .servers
            .get(process as usize)
            .and_then(|server| self.operations.id_at(server.abandoned.first))
        {
            self.remove(id);
        }
        while let Some(lost) = self.caps.close_table_step(process) {
            self.after_loss(machine, lost);
        }
    }
}
