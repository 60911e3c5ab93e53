//! RECV, and what it brings besides calls.

use super::{Caller, Endpoint, Ipc, Machine, OperationId, State, call::Handed, completion, pack, unpack};
use crate::{NONE, arena::Id, caps::ObjectKind};
use capos_abi::{CompletionEntry, CompletionKind, ErrorCode, Handle, Rights};
use core::hint::cold_path;

impl Ipc {
    /// A RECV: takes what waits, first the news of callers that gave up, then of badges, then calls; else waits.
    #[inline]
    pub(super) fn receive<M: Machine>(
        &mut self,
        machine: &mut M,
        caller: Caller,
        cap: Handle,
        deadline_ns: u64,
    ) -> Result<(), ErrorCode> {
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
        let id: Id<Endpoint> = unpack(record.payload);
        if let Some(token) = self.take_abandoned(caller.process, id) {
            news(machine, &caller, CompletionKind::CallCancelled, token, 0);
            return Ok(());
        }
        if let Some(badge) = self.caps.take_dropped_badge(object) {
            news(machine, &caller, CompletionKind::BadgeDropped, 0, badge);
            return Ok(());
        }
        while let Some(call) =
            self.operations.id_at(self.endpoints.get(id).map_or(NONE, |endpoint| endpoint.callers.first))
        {
            let Some(&request) = self.requests.get(call.index() as usize) else { break };
            match self.hand_over(machine, call, &request, &caller) {
                Handed::Over(entry) => {
                    machine.complete(caller.thread, &entry);
                    return Ok(());
                }
                Handed::ReceiverFailed(code) => return Err(code),
                Handed::CallFailed => {}
            }
        }
        let receiver = self.begin(caller, Some(id), node, deadline_ns)?;
        self.enter_list(receiver.index(), State::Receiving);
        Ok(())
    }

    /// The token of a call through `endpoint` that `process` was answering when its caller gave up.
    #[inline]
    fn take_abandoned(&mut self, process: u32, endpoint: Id<Endpoint>) -> Option<u64> {
        let mut index = self.servers.get(process as usize)?.abandoned.first;
        while let Some(operation) = self.operations.at(index) {
            if operation.endpoint == Some(endpoint) {
                let id = self.operations.id_at(index)?;
                self.leave_list(index);
                self.operations.remove(id);
                return Some(pack(id));
            }
            index = operation.place.next;
        }
        None
    }

    /// Turns an open call whose caller has its completion into news for the server, delivered at once if it waits.
    pub(super) fn abandon<M: Machine>(&mut self, machine: &mut M, id: OperationId, server: u32) {
        let endpoint = self.operations.get(id).and_then(|operation| operation.endpoint);
        let waiting = endpoint.and_then(|endpoint| self.receiver_of(endpoint, server));
        if let Some(receiver) = waiting {
            self.remove(id);
            if let Some(caller) = self.operations.get(receiver).map(|operation| operation.caller) {
                self.retire(receiver);
                news(machine, &caller, CompletionKind::CallCancelled, pack(id), 0);
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

    /// A RECV of `process` that waits at `endpoint`.
    fn receiver_of(&self, endpoint: Id<Endpoint>, process: u32) -> Option<OperationId> {
        let mut index = self.endpoints.get(endpoint)?.receivers.first;
        while let Some(operation) = self.operations.at(index) {
            if operation.caller.process == process {
                return self.operations.id_at(index);
            }
            index = operation.place.next;
        }
        None
    }

    /// Tells receivers that wait at an endpoint about badges whose last capability is gone.
    pub(super) fn deliver_dropped_badges<M: Machine>(&mut self, machine: &mut M, id: Id<Endpoint>) {
        let Some(object) = self.endpoints.get(id).map(|endpoint| endpoint.object) else { return };
        while let Some((receiver, caller)) = self.first_receiver(id) {
            let Some(badge) = self.caps.take_dropped_badge(object) else { return };
            self.retire(receiver);
            news(machine, &caller, CompletionKind::BadgeDropped, 0, badge);
        }
    }

    /// Nobody can receive from an endpoint any more: whoever waits at it learns so.
    pub(super) fn silence_endpoint<M: Machine>(&mut self, machine: &mut M, id: Id<Endpoint>) {
        while let Some(endpoint) = self.endpoints.get(id) {
            let (caller, receiver) = (endpoint.callers.first, endpoint.receivers.first);
            let index = if caller == NONE { receiver } else { caller };
            let Some(operation) = self.operations.id_at(index) else { break };
            self.finish(machine, operation, Some(ErrorCode::Disconnected));
        }
        // News of callers that gave up has nobody to go to either.
        for server in 0..self.servers.len() as u32 {
            while self.take_abandoned(server, id).is_some() {}
        }
    }
}

#[inline(never)]
fn news<M: Machine>(machine: &mut M, caller: &Caller, kind: CompletionKind, token: u64, badge: u64) {
    let entry = CompletionEntry { kind: kind as u16, token, badge, ..completion(caller.user_data, None) };
    machine.complete(caller.thread, &entry);
}
