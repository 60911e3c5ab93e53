//! The short way of nearly every call: a CALL whose server waits, and a RETURN with the RECV for the next call.
//!
//! Both do what [`Ipc::submit`] does with the same entries, or change nothing. Either is one change of hands: the record of
//! the RECV becomes that of the call, and that of the call becomes the RECV's. The completion is left to post, so that
//! posting it and switching to its thread can be one thing.

use super::{
    Caller, Endpoint, Ipc, List, Machine, ObjectCall, Operation, OperationId, Place, State, Submitter,
    UNLINKED,
};
use crate::{
    NONE,
    arena::{Arena, Id},
    caps::{Node, NodeId, ObjectKind},
    ring::{EntryWords, Outgoing, plain, user_data},
};
use capos_abi::{CompletionEntry, CompletionKind, Rights};
use core::hint::cold_path;

/// The outcome of taking entries the short way.
pub enum Direct {
    /// Nothing was done: the entries are for [`Ipc::submit`].
    Declined,
    /// They are taken. This completion is left to post, for the thread numbered so.
    Taken(u32, CompletionEntry),
    /// They are taken, and nobody gets a completion.
    Silent,
    /// A kernel object is called: as [`super::Submitted::Object`].
    Object(ObjectCall),
}

/// Unwraps an option that nearly always is `Some`.
macro_rules! usually {
    ($option:expr) => {
        match $option {
            Some(value) => value,
            None => {
                cold_path();
                return Direct::Declined;
            }
        }
    };
}

/// The new owner of an operation's record.
struct Heir {
    caller: Caller,
    state: State,
    endpoint: Id<Endpoint>,
    node: NodeId,
}

impl Ipc {
    /// Takes a CALL if it is plain, and a kernel object is called, or its server waits for it alone and the message can be
    /// passed.
    #[inline(always)]
    pub fn call_waiting<M: Machine>(
        &mut self,
        machine: &mut M,
        submitter: Submitter,
        entry: &impl EntryWords,
    ) -> Direct {
        let plain::Call { cap, interface, method, send, recv } = usually!(plain::call(entry));
        let Submitter { thread, process, .. } = submitter;
        let Ok((node, capability)) = self.caps.lookup_id(process, cap) else { return Direct::Declined };
        let &Node { kind, payload, rights, badge, .. } = capability;
        if kind != ObjectKind::Endpoint {
            let caller = Caller { thread, process, user_data: user_data(entry), quiet: false, recv };
            let deadline_ns = 0;
            return Direct::Object(ObjectCall {
                caller,
                node,
                kind,
                payload,
                rights,
                interface,
                method,
                send,
                deadline_ns,
            });
        }
        let endpoint = Id::unpack(payload);
        let record = usually!(self.endpoints.get_mut(endpoint));
        let receiver = record.receivers.first;
        if !rights.contains(Rights::CALL) || receiver != record.receivers.last {
            cold_path();
            return Direct::Declined;
        }
        let to = usually!(takeable(&self.operations, receiver)).1.caller;
        // What comes to the caller's own ring does not let it wait.
        if to.thread == thread || !pass(machine, process, send, &to) {
            cold_path();
            return Direct::Declined;
        }
        record.receivers = List::EMPTY;
        let caller = Caller { thread, process, user_data: user_data(entry), quiet: false, recv };
        let call = self.hand_on(receiver, &Heir { caller, state: State::Open(to.process), endpoint, node });
        let entry = CompletionEntry {
            user_data: to.user_data,
            kind: CompletionKind::Call as u16,
            length: send.length,
            token: call.pack(),
            badge,
            interface,
            method,
            ..CompletionEntry::default()
        };
        Direct::Taken(to.thread, entry)
    }

    /// Takes a RETURN that posts no completion and the RECV behind it, if both are plain, the results can be passed, and
    /// nothing is there to receive.
    #[inline(always)]
    pub fn answer_and_wait<M: Machine>(
        &mut self,
        machine: &mut M,
        submitter: Submitter,
        answer: &impl EntryWords,
        next: &impl EntryWords,
    ) -> Direct {
        let (token, send) = usually!(plain::quiet_return(answer));
        let (cap, recv) = usually!(plain::recv(next));
        let Submitter { thread, process, .. } = submitter;
        let call: OperationId = Id::unpack(token);
        let (id, operation) = usually!(takeable(&self.operations, call.index()));
        let to = operation.caller;
        // The place needs one more use after this one: who calls next takes it over.
        if id != call
            || operation.state != State::Open(process)
            || to.thread == thread
            || id.generation() >= u32::MAX - 1
        {
            cold_path();
            return Direct::Declined;
        }
        let Ok((node, capability)) = self.caps.lookup_id(process, cap) else { return Direct::Declined };
        let endpoint = Id::unpack(capability.payload);
        if capability.kind != ObjectKind::Endpoint || !capability.rights.contains(Rights::RECEIVE) {
            cold_path();
            return Direct::Declined;
        }
        let record = usually!(self.endpoints.get_mut(endpoint));
        let nothing_waits = record.abandoned.first & record.callers.first & record.receivers.first == NONE;
        if !nothing_waits || self.caps.has_dropped_badge(record.object) || !pass(machine, process, send, &to)
        {
            cold_path();
            return Direct::Declined;
        }
        let index = call.index();
        record.receivers = List { first: index, last: index };
        let caller = Caller { thread, process, user_data: user_data(next), quiet: false, recv };
        self.hand_on(index, &Heir { caller, state: State::Receiving, endpoint, node });
        if to.quiet {
            return Direct::Silent;
        }
        let done = super::completion(to.user_data, None);
        Direct::Taken(to.thread, CompletionEntry { length: send.length, ..done })
    }

    /// Makes the record of an operation that is on no list any more that of another one.
    #[inline(always)]
    fn hand_on(&mut self, index: u32, heir: &Heir) -> OperationId {
        let &Heir { caller, state, endpoint, node } = heir;
        // Its thread has room for it: the submitter has made sure that its completion has.
        let Ok(place) = self.link_thread(caller.thread, index) else { return Id::NOTHING };
        let Some((id, operation)) = self.operations.renew_at(index) else { return Id::NOTHING };
        let (old, position) = (operation.caller.thread, operation.position);
        (operation.caller, operation.state, operation.node) = (caller, state, node);
        (operation.endpoint, operation.place, operation.position) = (Some(endpoint), UNLINKED, place);
        self.unlink_thread(old, position);
        id
    }
}

/// The operation at a place, if its record can be handed on as it is: it has no timer.
#[inline(always)]
fn takeable(operations: &Arena<Operation>, index: u32) -> Option<(OperationId, &Operation)> {
    let (id, operation) = operations.entry_at(index)?;
    if operation.timer.is_some() {
        cold_path();
        return None;
    }
    Some((id, operation))
}

/// Copies a message that comes without capabilities, if it fits.
#[inline(always)]
fn pass<M: Machine>(machine: &mut M, sender: u32, send: Outgoing, to: &Caller) -> bool {
    let (from, into) = (
        Place { process: sender, address: send.address },
        Place { process: to.process, address: to.recv.address },
    );
    send.length <= to.recv.length && (send.length == 0 || machine.copy(from, into, send.length).is_ok())
}
