//! Completion and removal of operations.

use super::{Caller, Ipc, Machine, Operation, OperationId, State, call::list_of, completion};
use capos_abi::ErrorCode;

/// Posts a completion that contains only a status. Not used for answered calls.
#[cold]
pub(super) fn post<M: Machine>(machine: &mut M, thread: u32, user_data: u64, code: Option<ErrorCode>) {
    machine.complete(thread, &completion(user_data, code));
}

impl Ipc {
    /// Detaches an operation from its thread, capability and timer, but keeps its record.
    #[inline]
    fn detach(&mut self, id: OperationId) {
        let Some(operation) = self.operations.get_mut(id) else { return };
        let (thread, position) = (operation.caller.thread, operation.position);
        if let Some(timer) = operation.timer.take() {
            self.timers.cancel(timer);
        }
        self.unlink_thread(thread, position);
    }

    /// Removes an operation without a completion. Combines [`Self::detach`] and [`Self::remove`], because
    /// this is executed twice for every call.
    #[inline]
    pub(super) fn retire(&mut self, id: OperationId) {
        let Some(operation) = self.operations.get(id) else { return };
        let &Operation { caller: Caller { thread, .. }, state, endpoint, timer, place, position, .. } =
            operation;
        self.operations.remove(id);
        if let Some(timer) = timer {
            self.timers.cancel(timer);
        }
        self.unlink_thread(thread, position);
        if let Some(list) = list_of(&mut self.endpoints, &mut self.queues, state, endpoint) {
            list.close(&mut self.operations, place);
        }
    }

    /// Removes the record of a detached operation.
    #[inline]
    pub(super) fn remove(&mut self, id: OperationId) {
        self.leave_list(id.index());
        self.operations.remove(id);
    }

    /// Removes an operation and posts a completion that contains only a status.
    pub(super) fn finish<M: Machine>(&mut self, machine: &mut M, id: OperationId, code: Option<ErrorCode>) {
        let Some(caller) = self.operations.get(id).map(|operation| operation.caller) else { return };
        self.retire(id);
        if code.is_some() || !caller.quiet {
            post(machine, caller.thread, caller.user_data, code);
        }
    }

    /// Ends an operation early, with a completion if there is a code. If a server is serving
    /// it, the server is notified.
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
            post(machine, caller.thread, caller.user_data, Some(code));
        }
    }
}
