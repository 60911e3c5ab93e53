//! Calls to objects that the kernel serves itself.

use super::{
    Alarm, Caller, CopyFault, Ipc, List, Machine, OperationId, Place, Queue, QueueId, Request, State,
    completion,
};
use crate::{
    caps::{NodeId, ObjectKind},
    ring::Outgoing,
};
use capos_abi::{CompletionEntry, CompletionFlags, ErrorCode, Handle, Rights};

/// A call to a kernel object, with the capability it was made with.
#[derive(Clone, Copy, Debug)]
pub struct ObjectCall {
    /// The caller.
    pub caller: Caller,
    /// The capability's node.
    pub(super) node: NodeId,
    /// The kind of object that is called.
    pub kind: ObjectKind,
    /// The binary's identifier of it.
    pub payload: u64,
    /// The rights of the capability.
    pub rights: Rights,
    /// The Cap'n Proto type id of the interface.
    pub interface: u64,
    /// The method's number.
    pub method: u16,
    /// The parameters.
    pub send: Outgoing,
    /// The deadline; 0 if there is none.
    pub deadline_ns: u64,
}

/// A call that waits in a [`QueueId`].
#[derive(Clone, Copy, Debug)]
pub struct Suspended {
    /// The caller.
    pub caller: Caller,
    /// The parameters, still in the caller's memory.
    pub send: Outgoing,
    /// The method's number.
    pub method: u16,
    /// The value stored with it.
    pub note: u64,
}

/// The answer of a kernel object.
#[derive(Clone, Copy, Debug)]
pub enum Reply<'a> {
    /// A message, and handles (already in the caller's table) for its capability list.
    Results(&'a [u8], &'a [Handle]),
    /// An exception and its text.
    Exception(ErrorCode, &'a str),
}

/// A message with an empty root structure, in stream framing: one segment of one word, a null pointer.
const EMPTY_MESSAGE: [u8; 16] = [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

impl Reply<'_> {
    /// Results without any field.
    pub const EMPTY: Self = Self::Results(&EMPTY_MESSAGE, &[]);
}

impl Ipc {
    /// Answers a call at once.
    pub fn reply<M: Machine>(&mut self, machine: &mut M, caller: &Caller, reply: Reply<'_>) {
        let entry = match reply {
            Reply::Results(message, handles) => match deliver(machine, caller, message, handles) {
                Ok(entry) => entry,
                Err(entry) => {
                    // If the caller is not told of the results, they must not occupy its table.
                    for &handle in handles {
                        let _ = self.release(machine, caller.process, handle);
                    }
                    entry
                }
            },
            Reply::Exception(code, text) => exception(machine, caller, code, text),
        };
        if !caller.quiet || entry.status != 0 {
            machine.complete(caller.thread, &entry);
        }
    }

    /// Answers a suspended call. Does nothing if it has already ended.
    pub fn answer<M: Machine>(&mut self, machine: &mut M, id: OperationId, reply: Reply<'_>) {
        if let Some(caller) = self.resume(id) {
            self.reply(machine, &caller, reply);
        }
    }

    /// Ends the wait of a suspended call, which is to be answered now. `None` if it has already ended.
    pub fn resume(&mut self, id: OperationId) -> Option<Caller> {
        let caller = self.operations.get(id)?.caller;
        self.retire(id);
        Some(caller)
    }

    /// Creates a queue for suspended calls.
    ///
    /// # Errors
    /// `BudgetExceeded` if there is not enough memory.
    pub fn create_queue(&mut self) -> Result<QueueId, ErrorCode> {
        let queue = Queue { calls: List::EMPTY, dead: None };
        self.queues.insert(queue).map(QueueId).map_err(|_| ErrorCode::BudgetExceeded)
    }

    /// Removes a queue. Calls in it fail in [`Self::work_step`].
    pub fn remove_queue(&mut self, queue: QueueId) {
        let Some(record) = self.queues.get_mut(queue.0).filter(|queue| queue.dead.is_none()) else { return };
        if record.calls == List::EMPTY {
            self.queues.remove(queue.0);
        } else {
            record.dead = Some(core::mem::replace(&mut self.dead_queues, queue.0.index()));
        }
    }

    /// The call that has been in a queue longest.
    #[must_use]
    pub fn first_suspended(&self, queue: QueueId) -> Option<OperationId> {
        self.operations.id_at(self.queues.get(queue.0)?.calls.first)
    }

    /// A suspended call, and the note stored with it.
    #[must_use]
    pub fn suspended(&self, id: OperationId) -> Option<Suspended> {
        let caller = self.operations.get(id)?.caller;
        let &Request { send, method, badge, .. } = self.requests.get(id.index() as usize)?;
        Some(Suspended { caller, send, method, note: badge })
    }

    /// Changes the note of a suspended call.
    pub fn set_note(&mut self, id: OperationId, note: u64) {
        if self.operations.get(id).is_some()
            && let Some(request) = self.requests.get_mut(id.index() as usize)
        {
            request.badge = note;
        }
    }

    /// Makes a call wait in a queue until [`Self::answer`], with a note for the code that continues it. If that
    /// fails, an error is returned to the caller.
    pub fn suspend<M: Machine>(
        &mut self,
        machine: &mut M,
        call: &ObjectCall,
        queue: QueueId,
        note: u64,
    ) -> Option<OperationId> {
        match self.begin_object_call(call, call.deadline_ns, note) {
            Ok(id) => {
                self.set_state(id, State::Pending(queue));
                Some(id)
            }
            Err(code) => {
                machine.complete(call.caller.thread, &completion(call.caller.user_data, Some(code)));
                None
            }
        }
    }

    /// Makes a call wait until `wake_ns`; it then succeeds without results.
    pub fn sleep<M: Machine>(&mut self, machine: &mut M, call: &ObjectCall, wake_ns: u64) {
        let gives_up_first = call.deadline_ns != 0 && call.deadline_ns < wake_ns;
        let deadline_ns = if gives_up_first { call.deadline_ns } else { 0 };
        let result = self.begin_object_call(call, deadline_ns, 0).and_then(|id| {
            if gives_up_first || self.set_alarm(id, wake_ns, Alarm::Awake(id)) {
                Ok(())
            } else {
                self.retire(id);
                Err(ErrorCode::BudgetExceeded)
            }
        });
        if let Err(code) = result {
            machine.complete(call.caller.thread, &completion(call.caller.user_data, Some(code)));
        }
    }

    fn begin_object_call(
        &mut self,
        call: &ObjectCall,
        deadline_ns: u64,
        note: u64,
    ) -> Result<OperationId, ErrorCode> {
        let id = self.begin(call.caller, None, call.node, deadline_ns)?;
        // This call is not received, so its badge field is free for the object's own use.
        let ObjectCall { interface, method, send, .. } = *call;
        match self.keep_request(id, Request { interface, method, badge: note, send }) {
            Ok(()) => Ok(id),
            Err(code) => {
                self.retire(id);
                Err(code)
            }
        }
    }
}

fn deliver<M: Machine>(
    machine: &mut M,
    caller: &Caller,
    message: &[u8],
    handles: &[Handle],
) -> Result<CompletionEntry, CompletionEntry> {
    let mut entry = completion(caller.user_data, None);
    entry.length = message.len() as u32;
    if message.len() > caller.recv.length as usize || handles.len() > caller.recv.cap_count as usize {
        entry.status = ErrorCode::ResultTooLarge as i32;
        return Err(entry);
    }
    let place = |address| Place { process: caller.process, address };
    // The message is written last, because nothing can fail after that.
    let written = handles
        .iter()
        .enumerate()
        .try_for_each(|(position, handle)| {
            machine.write_handles(place(caller.recv.caps + position as u64 * 8), &[handle.0])
        })
        .and_then(|()| machine.write(place(caller.recv.address), message));
    match written {
        Ok(()) => {
            entry.cap_count = handles.len() as u32;
            Ok(entry)
        }
        Err(CopyFault::Source | CopyFault::Destination) => {
            Err(completion(caller.user_data, Some(ErrorCode::BadAddress)))
        }
    }
}

fn exception<M: Machine>(machine: &mut M, caller: &Caller, code: ErrorCode, text: &str) -> CompletionEntry {
    let mut entry = completion(caller.user_data, Some(code));
    let length = text.floor_char_boundary(caller.recv.length as usize);
    let place = Place { process: caller.process, address: caller.recv.address };
    if let Some(text) = text.get(..length)
        && !text.is_empty()
        && machine.write(place, text.as_bytes()).is_ok()
    {
        entry.length = text.len() as u32;
        entry.flags = CompletionFlags::EXCEPTION_TEXT.bits();
    }
    entry
}
