//! CALL and RETURN.

use super::{
    Caller, Endpoint, Ipc, List, Machine, ObjectCall, Operation, OperationId, Place, Queue, Request, State,
    ThreadOperations, UNLINKED,
};
use crate::{
    NONE,
    arena::{Arena, Id},
    caps::{NodeId, ObjectKind},
    ipc::{Alarm, CopyFault, message::PassError},
    reserve,
    ring::Outgoing,
};
use capos_abi::{CompletionEntry, CompletionFlags, CompletionKind, ErrorCode, Handle, Rights};
use core::hint::cold_path;

/// The outcome of passing a call to a receiver.
pub(super) enum Handed {
    /// The receiver's operation is complete, with this completion.
    Over(CompletionEntry),
    /// The call could not be delivered and has been completed; the receiver is still waiting.
    CallFailed,
    /// The receiver could not accept it, for this reason; the call is still waiting.
    ReceiverFailed(ErrorCode),
}

/// The outcome of a CALL.
pub(super) enum Called {
    /// The target is a kernel object.
    Object(ObjectCall),
    /// The call was received, or waits for a receiver.
    Endpoint,
    /// Not completed: the limit of receivers that may fail at once was reached.
    Again,
}

/// The most undeliverable calls, or receivers unable to accept a call, that one submission passes over.
pub(super) const FAILED_AT_ONCE: u32 = 16;

impl Ipc {
    /// A CALL.
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
    ) -> Result<Called, ErrorCode> {
        let (node, record) = self.caps.lookup_id(caller.process, cap)?;
        let (kind, payload, rights, badge) = (record.kind, record.payload, record.rights, record.badge);
        if kind != ObjectKind::Endpoint {
            return Ok(Called::Object(ObjectCall {
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
            cold_path();
            return Err(ErrorCode::MissingRights);
        }
        let (endpoint, object) = (Id::unpack(payload), record.object);
        if !self.thread(caller.thread).is_some_and(ThreadOperations::has_room) {
            cold_path();
            return Err(ErrorCode::BudgetExceeded);
        }
        let mut failed = 0;
        // Most calls find a waiting receiver and need no record of their content.
        while let Some((receiver, to)) = self.first_receiver(endpoint) {
            let flags = match self.pass_message(machine, caller.process, send, to.process, to.recv) {
                Ok(flags) => flags,
                Err(PassError::Sender(code)) => {
                    cold_path();
                    return Err(code);
                }
                Err(PassError::ReceiverFull) => {
                    cold_path();
                    return Err(ErrorCode::BudgetExceeded);
                }
                Err(PassError::Receiver(code)) => {
                    cold_path();
                    self.finish(machine, receiver, Some(code));
                    failed += 1;
                    if failed == FAILED_AT_ONCE {
                        return Ok(Called::Again);
                    }
                    continue;
                }
            };
            let call = self.take_over(receiver, endpoint, caller, State::Open(to.process), node);
            machine.complete(
                to.thread,
                &CompletionEntry {
                    user_data: to.user_data,
                    flags: flags.bits(),
                    kind: CompletionKind::Call as u16,
                    length: send.length,
                    cap_count: send.cap_count,
                    token: call.pack(),
                    badge,
                    interface,
                    method,
                    ..CompletionEntry::default()
                },
            );
            if deadline_ns != 0 && !self.set_alarm(call, deadline_ns, Alarm::GiveUp(call)) {
                self.give_up(machine, call, Some(ErrorCode::BudgetExceeded));
            }
            return Ok(Called::Endpoint);
        }
        // Checked only now: an endpoint at which a receiver waits has receivers, since otherwise its RECV would
        // have ended.
        if !self.caps.has_receivers(object) {
            return Err(ErrorCode::Disconnected);
        }
        let call = self.begin(caller, Some(endpoint), node, deadline_ns)?;
        if let Err(code) = self.keep_request(call, Request { interface, method, badge, send }) {
            self.retire(call);
            return Err(code);
        }
        self.enter_list(call.index(), State::Queued);
        Ok(Called::Endpoint)
    }

    /// Turns the record of a receiver that waits at `endpoint` into that of an operation of `caller`, whose thread has
    /// space for it.
    /// The receiver's operation no longer exists afterwards.
    #[inline(always)]
    fn take_over(
        &mut self,
        receiver: OperationId,
        endpoint: Id<Endpoint>,
        caller: Caller,
        state: State,
        node: NodeId,
    ) -> OperationId {
        // `begin` reserves a place's last generation for this.
        let Some((id, operation)) = self.operations.renew(receiver) else { return receiver };
        let (old, gone) = (operation.caller.thread, operation.place);
        let position = core::mem::take(&mut operation.position);
        let timer = operation.timer.take();
        (operation.caller, operation.state, operation.node) = (caller, state, node);
        operation.place = UNLINKED;
        if let Some(timer) = timer {
            self.timers.cancel(timer);
        }
        if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
            endpoint.receivers.close(&mut self.operations, gone);
        }
        self.unlink_thread(old, position);
        let position = self.link_thread(caller.thread, id.index());
        if let (Ok(position), Some(operation)) = (position, self.operations.at_mut(id.index())) {
            operation.position = position;
        }
        id
    }

    /// Registers an operation with its thread and its deadline.
    #[inline(always)]
    pub(super) fn begin(
        &mut self,
        caller: Caller,
        endpoint: Option<Id<Endpoint>>,
        node: NodeId,
        deadline_ns: u64,
    ) -> Result<OperationId, ErrorCode> {
        let Ok(index) = self.operations.vacant() else {
            cold_path();
            return Err(ErrorCode::BudgetExceeded);
        };
        let position = self.link_thread(caller.thread, index)?;
        let (state, timer, place) = (State::Unlisted, None, UNLINKED);
        let operation = Operation { caller, state, endpoint, node, timer, place, position };
        let Ok(mut id) = self.operations.insert(operation) else {
            cold_path();
            self.unlink_thread(caller.thread, position);
            return Err(ErrorCode::BudgetExceeded);
        };
        if id.generation() == u32::MAX {
            self.unlink_thread(caller.thread, position);
            id = self.begin_elsewhere(id)?;
            self.link_thread(caller.thread, id.index())?;
        }
        if deadline_ns != 0 && !self.set_alarm(id, deadline_ns, Alarm::GiveUp(id)) {
            self.retire(id);
            return Err(ErrorCode::BudgetExceeded);
        }
        Ok(id)
    }

    /// Moves a new record away from a place that has no other generation left, so that it can be taken over.
    #[cold]
    fn begin_elsewhere(&mut self, id: OperationId) -> Result<OperationId, ErrorCode> {
        let mut id = id;
        while id.generation() == u32::MAX {
            let operation = self.operations.remove(id).ok_or(ErrorCode::BudgetExceeded)?;
            id = self.operations.insert(operation).map_err(|_| ErrorCode::BudgetExceeded)?;
        }
        Ok(id)
    }

    /// Stores the content of a call until it is received.
    pub(super) fn keep_request(&mut self, id: OperationId, request: Request) -> Result<(), ErrorCode> {
        let length = id.index() as usize + 1;
        if length > self.requests.len() {
            let additional = length - self.requests.len();
            reserve(&mut self.requests, additional).map_err(|_| ErrorCode::BudgetExceeded)?;
            self.requests.resize(length, Request::default());
        }
        if let Some(kept) = self.requests.get_mut(id.index() as usize) {
            *kept = request;
        }
        Ok(())
    }

    /// Sets the single timer of an operation.
    pub(super) fn set_alarm(&mut self, id: OperationId, deadline_ns: u64, alarm: Alarm) -> bool {
        let thread = self.operations.get(id).map_or(NONE, |operation| operation.caller.thread);
        let priority = self.thread(thread).map_or(0, |thread| thread.priority);
        let Ok(timer) = self.timers.insert(deadline_ns, priority, alarm) else { return false };
        if let Some(operation) = self.operations.get_mut(id) {
            operation.timer = Some(timer);
        }
        true
    }

    #[inline]
    pub(super) fn first_receiver(&self, endpoint: Id<Endpoint>) -> Option<(OperationId, Caller)> {
        let (id, operation) = self.operations.entry_at(self.endpoints.get(endpoint)?.receivers.first)?;
        Some((id, operation.caller))
    }

    /// Moves an operation to the list for its new state.
    #[inline]
    pub(super) fn set_state(&mut self, id: OperationId, state: State) {
        if self.operations.get(id).is_some_and(|operation| operation.state != State::Unlisted) {
            self.leave_list(id.index());
        }
        self.enter_list(id.index(), state);
    }

    /// Records who serves a call. Open calls are in no list.
    #[inline(always)]
    fn open(&mut self, call: OperationId, server: u32) {
        match self.operations.get_mut(call) {
            Some(operation) if operation.state == State::Unlisted => operation.state = State::Open(server),
            _ => self.set_state(call, State::Open(server)),
        }
    }

    /// Inserts an operation that is in no list into the one for its new state.
    #[inline(always)]
    pub(super) fn enter_list(&mut self, index: u32, state: State) {
        let Some(operation) = self.operations.at_mut(index) else { return };
        operation.state = state;
        let endpoint = operation.endpoint;
        if let Some(list) = list_of(&mut self.endpoints, &mut self.queues, state, endpoint) {
            list.push(&mut self.operations, index, state);
        }
    }

    /// Removes an operation from the list for its state.
    #[inline]
    pub(super) fn leave_list(&mut self, index: u32) {
        let Some(operation) = self.operations.at_mut(index) else { return };
        let state = core::mem::replace(&mut operation.state, State::Unlisted);
        let endpoint = operation.endpoint;
        if let Some(list) = list_of(&mut self.endpoints, &mut self.queues, state, endpoint) {
            list.unlink(&mut self.operations, index);
        }
    }

    /// Copies a call to a receiver and opens it.
    #[inline(always)]
    pub(super) fn hand_over<M: Machine>(
        &mut self,
        machine: &mut M,
        call: OperationId,
        request: &Request,
        to: Caller,
    ) -> Handed {
        let Some(sender) = self.operations.get(call).map(|operation| operation.caller.process) else {
            return Handed::CallFailed;
        };
        let code = match self.pass_message(machine, sender, request.send, to.process, to.recv) {
            Ok(flags) => {
                self.open(call, to.process);
                return Handed::Over(CompletionEntry {
                    user_data: to.user_data,
                    flags: flags.bits(),
                    kind: CompletionKind::Call as u16,
                    length: request.send.length,
                    cap_count: request.send.cap_count,
                    token: call.pack(),
                    badge: request.badge,
                    interface: request.interface,
                    method: request.method,
                    ..CompletionEntry::default()
                });
            }
            Err(PassError::Sender(code)) => code,
            Err(PassError::ReceiverFull) => ErrorCode::BudgetExceeded,
            Err(PassError::Receiver(code)) => return Handed::ReceiverFailed(code),
        };
        self.finish(machine, call, Some(code));
        Handed::CallFailed
    }

    /// The open call that a reply token refers to, if `process` is serving it.
    #[inline]
    fn open_call(&self, process: u32, token: u64) -> Result<OperationId, ErrorCode> {
        let id = Id::unpack(token);
        match self.operations.get(id) {
            Some(operation) if operation.state == State::Open(process) => Ok(id),
            _ => {
                cold_path();
                Err(ErrorCode::BadReplyToken)
            }
        }
    }

    /// Removes an open call, which is in no list.
    #[inline(always)]
    fn end_open(&mut self, id: OperationId) {
        let Some(&Operation { caller: Caller { thread, .. }, timer, position, .. }) = self.operations.get(id)
        else {
            return;
        };
        self.operations.discard(id);
        if let Some(timer) = timer {
            self.timers.cancel(timer);
        }
        self.unlink_thread(thread, position);
    }

    /// RETURN with results. An error is returned to the server, and the call then stays open; except for
    /// `Undelivered`, after which neither side has the capabilities of the message.
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
        let Outgoing { length, cap_count, .. } = send;
        if length > caller.recv.length || cap_count > caller.recv.cap_count {
            return self.undelivered(machine, id, ErrorCode::ResultTooLarge, length);
        }
        let flags = match self.pass_message(machine, process, send, caller.process, caller.recv) {
            Ok(flags) => flags.bits(),
            Err(PassError::Sender(code)) => {
                cold_path();
                return Err(code);
            }
            Err(PassError::Receiver(code)) => return self.undelivered(machine, id, code, 0),
            Err(PassError::ReceiverFull) => {
                return self.undelivered(machine, id, ErrorCode::BudgetExceeded, 0);
            }
        };
        self.end_open(id);
        if !caller.quiet {
            let done = super::completion(caller.user_data, None);
            machine.complete(caller.thread, &CompletionEntry { flags, length, cap_count, ..done });
        }
        Ok(())
    }

    /// Ends an open call whose results the caller cannot receive, for the reason `code`.
    #[cold]
    fn undelivered<M: Machine>(
        &mut self,
        machine: &mut M,
        id: OperationId,
        code: ErrorCode,
        length: u32,
    ) -> Result<(), ErrorCode> {
        let caller = self.operations.get(id).ok_or(ErrorCode::BadReplyToken)?.caller;
        self.retire(id);
        let failed = super::completion(caller.user_data, Some(code));
        machine.complete(caller.thread, &CompletionEntry { length, ..failed });
        Err(ErrorCode::Undelivered)
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
        let mut entry = super::completion(caller.user_data, Some(code));
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
                // The caller still receives the code.
                Err(CopyFault::Destination) => {}
            }
        }
        self.retire(id);
        machine.complete(caller.thread, &entry);
        Ok(())
    }
}

/// The list of operations in `state`; for some states it is that of `endpoint`.
#[inline(always)]
pub(super) fn list_of<'a>(
    endpoints: &'a mut Arena<Endpoint>,
    queues: &'a mut Arena<Queue>,
    state: State,
    endpoint: Option<Id<Endpoint>>,
) -> Option<&'a mut List> {
    match state {
        State::Queued => Some(&mut endpoints.get_mut(endpoint?)?.callers),
        State::Receiving => {
            let endpoint = endpoints.get_mut(endpoint?)?;
            Some(if endpoint.deaf.is_none() { &mut endpoint.receivers } else { &mut endpoint.deaf_receivers })
        }
        State::Abandoned(_) => Some(&mut endpoints.get_mut(endpoint?)?.abandoned),
        State::Pending(queue) => Some(&mut queues.get_mut(queue.0)?.calls),
        State::Open(_) | State::Unlisted => None,
    }
}
