//! How operations end.

use super::{Caller, Ipc, Machine, Operation, OperationId, State, call::list_of, completion};
use capos_abi::ErrorCode;

impl Ipc {
    /// Takes an operation off its thread, its capability and its timer, but leaves its record.
    #[inline]
    fn detach(&mut self, id: OperationId) {
        let Some(operation) = self.operations.get_mut(id) else { return };
        let thread = operation.caller.thread;
        if let Some(timer) = operation.timer.take() {
            self.timers.cancel(timer);
        }
        self.unlink_thread(thread, id.index());
    }

    /// Removes an operation without a completion. This is [`Self::detach`] and [`Self::remove`] in one go, because
    /// every call passes here twice.
    #[inline]
    pub(super) fn retire(&mut self, id: OperationId) {
        let Some(operation) = self.operations.get(id) else { return };
        let &Operation { caller: Caller { thread, .. }, state, endpoint, timer, place, by_thread, .. } =
            operation;
        self.operations.remove(id);
        if let Some(timer) = timer {
            self.timers.cancel(timer);
        }
        if let Some(Some(thread)) = self.threads.get_mut(thread as usize) {
            thread.list.close_by_thread(&mut self.operations, by_thread);
            thread.count -= 1;
        }
        if let Some(list) = list_of(&mut self.endpoints, &mut self.servers, &mut self.queues, state, endpoint)
        {
            list.close_place(&mut self.operations, place);
        }
    }

    /// Removes the record of an operation that is detached already.
    #[inline]
    pub(super) fn remove(&mut self, id: OperationId) {
        self.leave_list(id.index());
        self.operations.remove(id);
    }

    /// Removes an operation and posts a completion that says only how it went.
    pub(super) fn finish<M: Machine>(&mut self, machine: &mut M, id: OperationId, code: Option<ErrorCode>) {
        let Some(caller) = self.operations.get(id).map(|operation| operation.caller) else { return };
        self.retire(id);
        if code.is_some() || !caller.quiet {
            machine.complete(caller.thread, &completion(&caller, code));
        }
    }

    /// Ends an operation before its time, with a completion if there is a code. If a server is answering
    /// it, the server is told.
    pub(super) fn give_up<M: Machine>(&mut self, machine: &mut M, id: OperationId, code: Option<ErrorCode>) {
        let Some(operation) = self.operations.get(id) else { return };
        let (caller, state) = (operation.caller, operation.state);
        match state {
            State::Abandoned(_) => return,
            State::Open(server) => {
                self.detach(id);
                self.abandon(machine, id, server);
            }
            State::Queued | State::Receiving | State::Pending(_) | State::Unlisted => self.retire(id),
        }
        if let Some(code) = code {
            machine.complete(caller.thread, &completion(&caller, Some(code)));
        }
    }
}
