//! The fast path of most calls: a CALL whose server waits, and a RETURN with the RECV for the next call.
//!
//! Both do what [`Ipc::submit`] does with the same entries, or change nothing. In either case two operations
//! exchange roles: the record of the RECV becomes that of the call, and that of the call becomes the RECV's.
//! Posting the completion is left to the caller, so that posting it and switching to its thread can be combined.

use super::{Caller, Ipc, List, Machine, ObjectCall, Place, State, ThreadOperations};
use crate::{
    NONE,
    arena::Id,
    caps::{Node, ObjectKind},
    ring::{
        EntryWords, Outgoing,
        plain::{Answer, Call},
    },
};
use capos_abi::{CompletionEntry, CompletionKind, Rights};
use core::hint::cold_path;

/// A submitting thread and its process.
#[derive(Clone, Copy, Debug)]
pub struct Party {
    /// The thread's number.
    pub thread: u32,
    /// The process's number.
    pub process: u32,
}

/// The outcome of trying the fast path.
pub enum Direct {
    /// Nothing was done; the entries must go to [`Ipc::submit`].
    Declined,
    /// They are processed. The caller must post this completion to the thread with this number.
    Taken(u32, CompletionEntry),
    /// They are processed, and there is no completion.
    Silent,
    /// The target is a kernel object: as [`super::Submitted::Object`], if the thread's ring has space for the
    /// completion.
    Object(ObjectCall),
}

/// Unwraps an option that is almost always `Some`.
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

impl Ipc {
    /// Processes a CALL if the target is a kernel object, or if a server waits for this endpoint only and the
    /// message can be transferred.
    #[inline(always)]
    pub fn call_waiting<M: Machine>(
        &mut self,
        machine: &mut M,
        Party { thread, process }: Party,
        call: &Call<impl EntryWords>,
    ) -> Direct {
        let &Call { cap, method, send, recv, .. } = call;
        let Self { caps, endpoints, operations, threads, .. } = self;
        let (node, capability) = usually!(caps.find(process, cap));
        let &Node { kind, payload, rights, .. } = capability;
        let caller = || Caller { thread, process, user_data: call.user_data(), quiet: false, recv };
        if kind != ObjectKind::Endpoint {
            let deadline_ns = 0;
            return Direct::Object(ObjectCall {
                caller: caller(),
                node,
                kind,
                payload,
                rights,
                interface: call.interface(),
                method,
                send,
                deadline_ns,
            });
        }
        let record = usually!(Id::try_unpack(payload).and_then(|endpoint| endpoints.get_mut(endpoint)));
        let index = record.receivers.first;
        if !rights.contains(Rights::CALL) || index != record.receivers.last {
            cold_path();
            return Direct::Declined;
        }
        let mut place = usually!(operations.occupied_at(index));
        let next = usually!(place.next(1));
        let to = &place.record.caller;
        let (mine, theirs) = usually!(pair(threads, thread, to.thread));
        let vacancy = usually!(mine.vacancy(1));
        if place.record.timer.is_some() || !pass(machine, process, send, to) {
            cold_path();
            return Direct::Declined;
        }
        record.receivers = List::EMPTY;
        let token = place.renew(next);
        let operation = place.record;
        let to = &operation.caller;
        let entry = CompletionEntry {
            user_data: to.user_data,
            kind: CompletionKind::Call as u16,
            length: send.length,
            token: token.pack(),
            badge: capability.badge,
            interface: call.interface(),
            method,
            ..CompletionEntry::default()
        };
        let (to, state, position) = (to.thread, State::Open(to.process), operation.position);
        // The endpoint is unchanged, and the operation was the only one in the list.
        (operation.caller, operation.state, operation.node) = (caller(), state, node);
        operation.position = vacancy.fill(index);
        theirs.remove(operations, position);
        Direct::Taken(to, entry)
    }

    /// Processes a RETURN and the following RECV if the results can be transferred and nothing can be
    /// received yet.
    #[inline(always)]
    pub fn answer_and_wait<M: Machine>(
        &mut self,
        machine: &mut M,
        Party { thread, process }: Party,
        answer: &Answer<impl EntryWords>,
    ) -> Direct {
        let &Answer { token, send, cap, recv, .. } = answer;
        let Self { caps, endpoints, operations, threads, .. } = self;
        let (node, capability) = usually!(caps.find(process, cap));
        if capability.kind != ObjectKind::Endpoint || !capability.rights.contains(Rights::RECEIVE) {
            cold_path();
            return Direct::Declined;
        }
        let endpoint = usually!(Id::try_unpack(capability.payload));
        let record = usually!(endpoints.get_mut(endpoint));
        let nothing_waits = record.abandoned.first & record.callers.first & record.receivers.first == NONE;
        if !nothing_waits || caps.has_dropped_badge(record.object) {
            cold_path();
            return Direct::Declined;
        }
        let index = (token >> 32) as u32;
        let mut place = usually!(operations.occupied_at(index));
        let to = &place.record.caller;
        if place.generation() != token as u32 || place.record.state != State::Open(process) {
            cold_path();
            return Direct::Declined;
        }
        // The place needs one more generation after this one: the next caller takes it over.
        let next = usually!(place.next(2));
        let (mine, theirs) = usually!(pair(threads, thread, to.thread));
        let vacancy = usually!(mine.vacancy(2));
        if place.record.timer.is_some() || !pass(machine, process, send, to) {
            cold_path();
            return Direct::Declined;
        }
        record.receivers = List { first: index, last: index };
        place.renew(next);
        let operation = place.record;
        let to = &operation.caller;
        let done = super::completion(to.user_data, None);
        let entry = CompletionEntry { length: send.length, ..done };
        let (to, is_quiet, position) = (to.thread, to.quiet, operation.position);
        operation.caller = Caller { thread, process, user_data: answer.user_data(), quiet: false, recv };
        (operation.state, operation.node) = (State::Receiving, node);
        operation.endpoint = Some(endpoint);
        operation.position = vacancy.fill(index);
        theirs.remove(operations, position);
        if is_quiet { Direct::Silent } else { Direct::Taken(to, entry) }
    }
}

/// The operations of two threads, if they are open and different: a completion for the caller's own ring would not
/// let it wait.
#[inline(always)]
fn pair(
    threads: &mut [Option<ThreadOperations>],
    first: u32,
    second: u32,
) -> Option<(&mut ThreadOperations, &mut ThreadOperations)> {
    let [first, second] = threads.get_disjoint_mut([first as usize, second as usize]).ok()?;
    Some((first.as_mut()?, second.as_mut()?))
}

/// Copies a message without capabilities, if it fits.
#[inline(always)]
fn pass<M: Machine>(machine: &mut M, sender: u32, send: Outgoing, to: &Caller) -> bool {
    let (from, into) = (
        Place { process: sender, address: send.address },
        Place { process: to.process, address: to.recv.address },
    );
    send.length <= to.recv.length && (send.length == 0 || machine.copy(from, into, send.length).is_ok())
}
