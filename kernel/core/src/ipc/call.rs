//! CALL and RETURN.

use super::{
    Caller, Endpoint, Ipc, List, Machine, ObjectCall, Operation, OperationId, Place, ServerCalls, State,
    UNLINKED, unpack,
};
use crate::{
    arena::{Arena, Id},
    caps::ObjectKind,
    ipc::{Alarm, CopyFault, message::PassError},
    ring::Outgoing,
};
use capos_abi::{CompletionEntry, CompletionFlags, CompletionKind, ErrorCode, Handle, Rights};

/// What became of handing a call to a receiver.
pub(super) enum Handed {
    /// Both are served.
    Over,
    /// The call could not be delivered and has been completed; the receiver still waits.
    CallFailed,
    /// The receiver could not take it and has been completed; the call still waits.
    ReceiverFailed,
}

impl Ipc {
    /// A CALL. `Ok(Some)` when it is a kernel object that is called.
    #[expect(clippy::too_many_arguments, reason = "the fields of a CALL entry")]
    #[inline]
    pub(super) fn call<M: Machine>(
        &mut self,
        machine: &mut M,
        caller: Caller,
        cap: Handle,
        interface: u64,
        method: u16,
        send: Outgoing,
        deadline_ns: u64,
    ) -> Result<Option<ObjectCall>, ErrorCode> {
        let (node, record) = self.caps.lookup_id(caller.process, cap)?;
        let (kind, payload, rights, badge) = (record.kind, record.payload, record.rights, record.badge);
        if kind != ObjectKind::Endpoint {
            return Ok(Some(ObjectCall {
                caller,
                node,
                kind,
                payload,
                rights,
                interface,
                method,
                send,
                deadline_ns,
            }));
        }
        if !rights.contains(Rights::CALL) {
            return Err(ErrorCode::MissingRights);
        }
        if !self.caps.has_receivers(record.object) {
            return Err(ErrorCode::Disconnected);
        }
        let endpoint = unpack(payload);
        let operation = Operation {
            caller,
            state: State::Unlisted,
            endpoint: Some(endpoint),
            interface,
            method,
            badge,
            send,
            node,
            timer: None,
            place: UNLINKED,
            by_thread: UNLINKED,
        };
        let call = self.begin(operation, deadline_ns)?;
        while let Some(receiver) = self.first_receiver(endpoint) {
            match self.hand_over(machine, call, receiver) {
                Handed::Over | Handed::CallFailed => return Ok(None),
                Handed::ReceiverFailed => {}
            }
        }
        self.set_state(call, State::Queued);
        Ok(None)
    }

    /// Registers an operation with its thread, its capability and its deadline.
    #[inline(always)]
    pub(super) fn begin(&mut self, operation: Operation, deadline_ns: u64) -> Result<OperationId, ErrorCode> {
        let thread = operation.caller.thread;
        let id = self.operations.insert(operation).map_err(|_| ErrorCode::BudgetExceeded)?;
        if deadline_ns != 0 && !self.set_alarm(id, deadline_ns, Alarm::GiveUp(id)) {
            self.operations.remove(id);
            return Err(ErrorCode::BudgetExceeded);
        }
        self.link_thread(thread, id.index());
        Ok(id)
    }

    /// Sets the one timer of an operation.
    pub(super) fn set_alarm(&mut self, id: OperationId, deadline_ns: u64, alarm: Alarm) -> bool {
        let Ok(timer) = self.timers.insert(deadline_ns, alarm) else { return false };
        if let Some(operation) = self.operations.get_mut(id) {
            operation.timer = Some(timer);
        }
        true
    }

    #[inline]
    pub(super) fn first_receiver(&self, endpoint: Id<Endpoint>) -> Option<OperationId> {
        self.operations.id_at(self.endpoints.get(endpoint)?.receivers.first)
    }

    /// Moves an operation to the list that goes with its new state.
    #[inline]
    pub(super) fn set_state(&mut self, id: OperationId, state: State) {
        if self.operations.get(id).is_some_and(|operation| operation.state != State::Unlisted) {
            self.leave_list(id.index());
        }
        self.enter_list(id.index(), state);
    }

    /// Notes who answers a call. Open calls are on no list.
    #[inline(always)]
    fn open(&mut self, call: OperationId, server: u32) {
        match self.operations.get_mut(call) {
            Some(operation) if operation.state == State::Unlisted => operation.state = State::Open(server),
            _ => self.set_state(call, State::Open(server)),
        }
    }

    /// Puts an operation that is on no list on the one that goes with its new state.
    #[inline(always)]
    pub(super) fn enter_list(&mut self, index: u32, state: State) {
        let Some(operation) = self.operations.at_mut(index) else { return };
        operation.state = state;
        let endpoint = operation.endpoint;
        if let Some(list) = list_of(&mut self.endpoints, &mut self.servers, &mut self.queues, state, endpoint)
        {
            list.push_place(&mut self.operations, index);
        }
    }

    /// Takes an operation off the list that its state names.
    #[inline]
    pub(super) fn leave_list(&mut self, index: u32) {
        let Some(operation) = self.operations.at_mut(index) else { return };
        let state = core::mem::replace(&mut operation.state, State::Unlisted);
        let endpoint = operation.endpoint;
        if let Some(list) = list_of(&mut self.endpoints, &mut self.servers, &mut self.queues, state, endpoint)
        {
            list.unlink_place(&mut self.operations, index);
        }
    }

    /// Copies a call to a receiver and opens it.
    #[inline]
    pub(super) fn hand_over<M: Machine>(
        &mut self,
        machine: &mut M,
        call: OperationId,
        receiver: OperationId,
    ) -> Handed {
        let (Some(from), Some(to)) = (self.operations.get(call), self.operations.get(receiver)) else {
            return Handed::Over;
        };
        let (send, sender, recv) = (from.send, from.caller.process, to.caller);
        let mut entry = CompletionEntry {
            user_data: recv.user_data,
            kind: CompletionKind::Call as u16,
            length: send.length,
            cap_count: send.cap_count,
            token: super::pack(call),
            badge: from.badge,
            interface: from.interface,
            method: from.method,
            ..CompletionEntry::default()
        };
        let result = self.pass_message(machine, sender, send, &recv);
        match result {
            Ok(flags) => {
                entry.flags = flags.bits();
                self.retire(receiver);
                self.open(call, recv.process);
                machine.complete(recv.thread, &entry);
                Handed::Over
            }
            Err(PassError::Sender(code)) => {
                self.finish(machine, call, Some(code));
                Handed::CallFailed
            }
            Err(PassError::ReceiverFull) => {
                self.finish(machine, call, Some(ErrorCode::BudgetExceeded));
                Handed::CallFailed
            }
            Err(PassError::Receiver(code)) => {
                entry = super::completion(&recv, Some(code));
                self.retire(receiver);
                machine.complete(recv.thread, &entry);
                Handed::ReceiverFailed
            }
        }
    }

    /// The open call that a reply token names, if `process` is answering it.
    #[inline]
    fn open_call(&self, process: u32, token: u64) -> Result<OperationId, ErrorCode> {
        let id = unpack(token);
        match self.operations.get(id) {
            Some(operation) if operation.state == State::Open(process) => Ok(id),
            _ => Err(ErrorCode::BadReplyToken),
        }
    }

    /// RETURN with results. An error is the server's; then the call stays open.
    #[inline]
    pub(super) fn return_results<M: Machine>(
        &mut self,
        machine: &mut M,
        process: u32,
        token: u64,
        send: Outgoing,
    ) -> Result<(), ErrorCode> {
        let id = self.open_call(process, token)?;
        let caller = self.operations.get(id).ok_or(ErrorCode::BadReplyToken)?.caller;
        let mut entry = super::completion(&caller, None);
        (entry.length, entry.cap_count) = (send.length, send.cap_count);
        if send.length > caller.recv.length || send.cap_count > caller.recv.cap_count {
            entry.status = ErrorCode::ResultTooLarge as i32;
            entry.cap_count = 0;
        } else {
            match self.pass_message(machine, process, send, &caller) {
                Ok(flags) => entry.flags = flags.bits(),
                Err(PassError::ReceiverFull) => {
                    entry = super::completion(&caller, Some(ErrorCode::BudgetExceeded));
                }
                Err(PassError::Sender(code)) => return Err(code),
                Err(PassError::Receiver(code)) => {
                    entry = super::completion(&caller, Some(code));
                }
            }
        }
        self.retire(id);
        if !caller.quiet || entry.status != 0 {
            machine.complete(caller.thread, &entry);
        }
        Ok(())
    }

    /// RETURN with an exception.
    pub(super) fn throw<M: Machine>(
        &mut self,
        machine: &mut M,
        process: u32,
        token: u64,
        code: ErrorCode,
        text_address: u64,
        text_length: u32,
    ) -> Result<(), ErrorCode> {
        let id = self.open_call(process, token)?;
        let caller = self.operations.get(id).ok_or(ErrorCode::BadReplyToken)?.caller;
        let mut entry = super::completion(&caller, Some(code));
        let length = text_length.min(caller.recv.length);
        if length > 0 {
            let from = Place { process, address: text_address };
            let to = Place { process: caller.process, address: caller.recv.address };
            match machine.copy(from, to, length) {
                Ok(()) => {
                    entry.length = length;
                    entry.flags = CompletionFlags::EXCEPTION_TEXT.bits();
                }
                Err(CopyFault::Source) => return Err(ErrorCode::BadAddress),
                // The caller still learns the code.
                Err(CopyFault::Destination) => {}
            }
        }
        self.retire(id);
        machine.complete(caller.thread, &entry);
        Ok(())
    }
}

/// The list of operations in `state`, at `endpoint` if the state has one.
#[inline(always)]
pub(super) fn list_of<'a>(
    endpoints: &'a mut Arena<Endpoint>,
    servers: &'a mut [ServerCalls],
    queues: &'a mut Arena<List>,
    state: State,
    endpoint: Option<Id<Endpoint>>,
) -> Option<&'a mut List> {
    match state {
        State::Queued => Some(&mut endpoints.get_mut(endpoint?)?.callers),
        State::Receiving => Some(&mut endpoints.get_mut(endpoint?)?.receivers),
        State::Abandoned(server) => Some(&mut servers.get_mut(server as usize)?.abandoned),
        State::Pending(queue) => queues.get_mut(queue.0),
        State::Open(_) | State::Unlisted => None,
    }
}
