//! RECV, and the notifications that it receives besides calls.

use super::{
    Caller, Endpoint, Ipc, Machine, OperationId, State,
    call::{FAILED_AT_ONCE, Handed, list_of},
    completion,
};
use crate::{NONE, arena::Id, caps::ObjectKind};
use capos_abi::{CompletionEntry, CompletionKind, ErrorCode, Handle, Rights};
use core::hint::cold_path;

/// In a list shared by several processes, this many entries are searched for those of one process.
const LOOKED_AT: usize = 64;

/// The outcome of a RECV.
pub(super) enum Received {
    /// Something was received, or the operation waits.
    Done,
    /// Not completed: the limit of undeliverable calls that may fail at once was reached.
    Again,
}

impl Ipc {
    /// A RECV: takes what is pending, first notifications of cancelled calls, then of badges, then calls;
    /// otherwise waits.
    #[inline]
    pub(super) fn receive<M: Machine>(
        &mut self,
        machine: &mut M,
        caller: Caller,
        cap: Handle,
        deadline_ns: u64,
    ) -> Result<Received, ErrorCode> {
        let (node, record) = self.caps.lookup_id(caller.process, cap)?;
        if !record.rights.contains(Rights::RECEIVE) {
            cold_path();
            return Err(ErrorCode::MissingRights);
        }
        if record.kind != ObjectKind::Endpoint {
            cold_path();
            return Err(ErrorCode::InvalidArgument);
        }
        let object = record.object;
        let id: Id<Endpoint> = Id::unpack(record.payload);
        let lists = self.endpoints.get(id).map(|endpoint| (endpoint.abandoned.first, endpoint.callers.first));
        let (abandoned, mut first_caller) = lists.unwrap_or((NONE, NONE));
        if abandoned != NONE
            && let Some(token) = self.take_abandoned(caller.process, id)
        {
            news(machine, caller.thread, caller.user_data, CompletionKind::CallCancelled, token, 0);
            return Ok(Received::Done);
        }
        if let Some(badge) = self.caps.take_dropped_badge(object) {
            news(machine, caller.thread, caller.user_data, CompletionKind::BadgeDropped, 0, badge);
            return Ok(Received::Done);
        }
        let mut failed = 0;
        while let Some(call) = self.operations.id_at(first_caller) {
            let Some(&request) = self.requests.get(call.index() as usize) else { break };
            match self.hand_over(machine, call, &request, caller) {
                Handed::Over(entry) => {
                    machine.complete(caller.thread, &entry);
                    return Ok(Received::Done);
                }
                Handed::ReceiverFailed(code) => return Err(code),
                Handed::CallFailed => {
                    cold_path();
                    failed += 1;
                    if failed == FAILED_AT_ONCE {
                        return Ok(Received::Again);
                    }
                }
            }
            first_caller = self.endpoints.get(id).map_or(NONE, |endpoint| endpoint.callers.first);
        }
        let receiver = self.begin(caller, Some(id), node, deadline_ns)?;
        if let Some(list) = list_of(&mut self.endpoints, &mut self.queues, State::Receiving, Some(id)) {
            list.push(&mut self.operations, receiver.index(), State::Receiving);
        }
        Ok(Received::Done)
    }

    /// The token of a call through `endpoint` that `process` was serving when its caller cancelled. Notifications
    /// for other processes that receive from the same endpoint are moved to the end, so that searching a few each
    /// time finds all of them.
    #[cold]
    fn take_abandoned(&mut self, process: u32, endpoint: Id<Endpoint>) -> Option<u64> {
        let first = self.endpoints.get(endpoint)?.abandoned.first;
        let mut index = first;
        for _ in 0..LOOKED_AT {
            let (id, operation) = self.operations.entry_at(index)?;
            let state = operation.state;
            if state == State::Abandoned(process) {
                self.remove(id);
                return Some(id.pack());
            }
            self.set_state(id, state);
            index = self.endpoints.get(endpoint)?.abandoned.first;
            if index == first {
                break;
            }
        }
        None
    }

    /// Turns an open call whose caller already has its completion into a notification for the server, delivered at
    /// once if the server waits.
    pub(super) fn abandon<M: Machine>(&mut self, machine: &mut M, id: OperationId, server: u32) {
        let endpoint = self.operations.get(id).and_then(|operation| operation.endpoint);
        let waiting = endpoint.and_then(|endpoint| self.receiver_of(endpoint, server));
        if let Some(receiver) = waiting {
            self.remove(id);
            if let Some(caller) = self.operations.get(receiver).map(|operation| operation.caller) {
                self.retire(receiver);
                news(machine, caller.thread, caller.user_data, CompletionKind::CallCancelled, id.pack(), 0);
            }
        } else if endpoint.is_some_and(|endpoint| self.can_receive(endpoint)) {
            self.set_state(id, State::Abandoned(server));
        } else {
            self.remove(id);
        }
    }

    fn can_receive(&self, endpoint: Id<Endpoint>) -> bool {
        self.endpoints.get(endpoint).is_some_and(|endpoint| self.caps.has_receivers(endpoint.object))
    }

    /// A RECV of `process` that waits at `endpoint`. It may not be found among many of other processes; the process
    /// is then notified at its next RECV.
    fn receiver_of(&self, endpoint: Id<Endpoint>, process: u32) -> Option<OperationId> {
        let mut index = self.endpoints.get(endpoint)?.receivers.first;
        for _ in 0..LOOKED_AT {
            let operation = self.operations.at(index)?;
            if operation.caller.process == process {
                return self.operations.id_at(index);
            }
            index = operation.place.next;
        }
        None
    }

    /// Notifies receivers that wait at an endpoint of badges whose last capability is gone.
    pub(super) fn deliver_dropped_badges<M: Machine>(&mut self, machine: &mut M, id: Id<Endpoint>) {
        let Some(object) = self.endpoints.get(id).map(|endpoint| endpoint.object) else { return };
        while let Some((receiver, caller)) = self.first_receiver(id) {
            let Some(badge) = self.caps.take_dropped_badge(object) else { return };
            self.retire(receiver);
            news(machine, caller.thread, caller.user_data, CompletionKind::BadgeDropped, 0, badge);
        }
    }
}

#[inline(never)]
fn news<M: Machine>(
    machine: &mut M,
    thread: u32,
    user_data: u64,
    kind: CompletionKind,
    token: u64,
    badge: u64,
) {
    let entry = CompletionEntry { kind: kind as u16, token, badge, ..completion(user_data, None) };
    machine.complete(thread, &entry);
}
