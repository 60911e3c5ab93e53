//! Operations in progress. Each owns the memory that the kernel may write, until its completion has arrived.

use super::call::{Call, CallRef, Stage};
use super::capabilities::decode;
use super::error::from_status;
use super::incoming::IncomingRef;
use crate::local::{IGNORED, Local};
use crate::message::{CapTable, Message, Received};
use capos_abi::{
    COMPLETION_ENTRIES, CompletionEntry, CompletionFlags, ErrorCode, Handle, MAX_MESSAGE_BYTES,
    MAX_MESSAGE_CAPS, Opcode, SubmissionEntry, SubmissionFlags,
};
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

/// Maximum number of calls in progress; more queue up. The rest of the completion queue is for other
/// operations.
const MAX_CALLS: u32 = COMPLETION_ENTRIES - 16;
/// Marks the user data of RETURN, whose completion arrives only if it failed.
const RETURN_TAG: u64 = 1 << 62;

/// The operations of one thread.
#[derive(Default)]
pub(crate) struct Operations {
    slots: RefCell<Slab<Operation>>,
    calls: Cell<u32>,
    /// Calls beyond the limit, oldest first.
    waiting: RefCell<VecDeque<SubmissionEntry>>,
    /// Answers that the kernel may not have taken yet, oldest first.
    returning: RefCell<Vec<Returning>>,
    /// The number of the oldest of those answers; the others are numbered consecutively.
    first_returning: Cell<u64>,
    /// Completions that arrived while only calls were processed, oldest first.
    deferred: RefCell<VecDeque<CompletionEntry>>,
}

enum Operation {
    Call(CallRef),
    Receive { endpoint: usize, handle: Handle, message: Message },
}

struct Returning {
    token: u64,
    /// Badges of objects exported with it.
    exported: Vec<u64>,
    /// The message that the kernel reads; `None` after it has read it.
    contents: Option<Contents>,
}

/// The message of an answer and its capabilities, kept until the kernel has taken the answer.
pub(super) enum Contents {
    /// In the record of the call.
    Incoming(#[expect(dead_code, reason = "is kept")] IncomingRef),
    /// Separate from the record.
    Apart(
        #[expect(dead_code, reason = "are kept")] Message,
        #[expect(dead_code, reason = "are kept")] CapTable,
    ),
}

/// A server's answer to a call.
pub(super) struct Answer {
    /// Address of the message.
    pub(super) address: u64,
    /// Address of the descriptors of its capabilities.
    pub(super) descriptors: u64,
    /// The message's length in bytes.
    pub(super) length: u32,
    /// The number of capabilities in the message.
    pub(super) sent: usize,
    /// Badges of objects exported with it.
    pub(super) exported: Vec<u64>,
    pub(super) contents: Contents,
}

impl Answer {
    /// The answer that consists of `length` bytes of `message`.
    pub(super) fn apart(message: Message, length: u32, capabilities: CapTable, exported: Vec<u64>) -> Self {
        Self {
            address: message.address(),
            descriptors: message.descriptors_address(),
            length,
            sent: capabilities.len(),
            exported,
            contents: Contents::Apart(message, capabilities),
        }
    }
}

impl Operations {
    /// Whether a completion may still arrive.
    pub(super) fn any_outstanding(&self) -> bool {
        !self.slots.borrow().is_empty()
    }

    /// Whether there are completions deferred by [`process_calls`](Self::process_calls).
    #[inline]
    pub(super) fn any_deferred(&self) -> bool {
        !self.deferred.borrow().is_empty()
    }

    /// Leaves operations in progress to the kernel, which may write their memory until the thread has ended: that
    /// memory is never reused.
    pub(crate) fn abandon(&self) {
        std::mem::forget(self.slots.take());
        let returned = self.returning.take();
        drop(returned);
    }

    /// Starts `call` with an `entry` that describes the message to send.
    #[inline(always)]
    pub(super) fn call(&self, local: &Local, mut entry: SubmissionEntry, call: CallRef) {
        entry.method = call.method;
        entry.cap = call.handle.get().0;
        entry.interface = call.interface;
        {
            let results = call.results.borrow();
            (entry.recv_address, entry.recv_caps) = (results.address(), results.handles_address());
        }
        (entry.recv_length, entry.recv_cap_count) = (MAX_MESSAGE_BYTES, MAX_MESSAGE_CAPS);
        let mut slots = self.slots.borrow_mut();
        let slot = slots.vacant_entry();
        entry.user_data = slot.key() as u64;
        call.set_stage(Stage::Operation(slot.key()));
        slot.insert(Operation::Call(call));
        if self.calls.get() < MAX_CALLS {
            self.calls.set(self.calls.get() + 1);
            local.submit(entry);
        } else {
            self.waiting.borrow_mut().push_back(entry);
        }
    }

    /// Cancels call `number`, whose outcome is not needed any more.
    pub(super) fn cancel(&self, local: &Local, number: usize) {
        let mut waiting = self.waiting.borrow_mut();
        if let Some(index) = waiting.iter().position(|entry| entry.user_data == number as u64) {
            waiting.remove(index);
            drop(waiting);
            let operation = self.slots.borrow_mut().try_remove(number);
            drop(operation);
            return;
        }
        local.submit(SubmissionEntry {
            opcode: Opcode::Cancel as u8,
            flags: SubmissionFlags::QUIET.bits(),
            user_data: IGNORED,
            token: number as u64,
            ..SubmissionEntry::default()
        });
    }

    /// Starts receiving calls on `handle`.
    pub(super) fn receive(&self, local: &Local, endpoint: usize, handle: Handle) {
        let message = Message::for_receiving();
        let mut slots = self.slots.borrow_mut();
        let slot = slots.vacant_entry();
        submit_receive(local, slot.key(), handle, &message);
        slot.insert(Operation::Receive { endpoint, handle, message });
    }

    /// Answers the call `token`.
    #[inline(always)]
    pub(super) fn answer(&self, local: &Local, token: u64, answer: Answer) {
        let Answer { address, descriptors, length, sent, exported, contents } = answer;
        let mut entry = SubmissionEntry {
            opcode: Opcode::Return as u8,
            flags: SubmissionFlags::QUIET.bits(),
            send_address: address,
            send_length: length,
            token,
            ..SubmissionEntry::default()
        };
        if sent != 0 {
            entry.send_cap_count = sent as u32;
            entry.send_caps = descriptors;
        }
        entry.user_data = RETURN_TAG | self.keep(Returning { token, exported, contents: Some(contents) });
        local.submit(entry);
    }

    /// Keeps an answer until the kernel has taken it. Returns its number.
    #[inline(always)]
    fn keep(&self, answer: Returning) -> u64 {
        let mut returning = self.returning.borrow_mut();
        returning.push(answer);
        self.first_returning.get() + (returning.len() - 1) as u64
    }

    /// Answers the call `token` with an exception.
    pub(super) fn throw(&self, local: &Local, token: u64, code: ErrorCode, text: &str) {
        let mut message = Message::new();
        let length = message.set_text(text);
        let entry = SubmissionEntry {
            opcode: Opcode::Return as u8,
            flags: (SubmissionFlags::QUIET | SubmissionFlags::EXCEPTION).bits(),
            method: code as u16,
            user_data: IGNORED,
            send_address: message.address(),
            send_length: length,
            token,
            ..SubmissionEntry::default()
        };
        let contents = Some(Contents::Apart(message, CapTable::new()));
        self.keep(Returning { token, exported: Vec::new(), contents });
        local.submit(entry);
    }

    /// Processes every unread completion.
    pub(super) fn process(&self, local: &Local) {
        let taken = self.drop_taken(local);
        let end = self.first_returning.get() + taken as u64;
        let mut completion = CompletionEntry::default();
        while self.next_completion(local, &mut completion) {
            match completion.user_data {
                IGNORED => {}
                tagged if tagged & RETURN_TAG != 0 => self.answer_failed(local, &completion),
                number => self.completed(local, number as usize, &completion),
            }
        }
        // Answers that the kernel refused have been processed.
        if taken != 0 {
            // A method that ran a nested `block_on` may have processed some of them already.
            let left = end.saturating_sub(self.first_returning.get());
            self.returning.borrow_mut().drain(..left as usize);
            self.first_returning.set(self.first_returning.get() + left);
        }
    }

    #[inline(always)]
    fn next_completion(&self, local: &Local, entry: &mut CompletionEntry) -> bool {
        if self.any_deferred()
            && let Some(deferred) = self.deferred.borrow_mut().pop_front()
        {
            *entry = deferred;
            return true;
        }
        local.next_completion(entry)
    }

    /// Processes the completions of this thread's calls, and defers all others: at most one for each endpoint that it
    /// serves, and one for each answer that the kernel refused.
    pub(super) fn process_calls(&self, local: &Local) {
        let mut completion = CompletionEntry::default();
        while local.next_completion(&mut completion) {
            let number = completion.user_data as usize;
            let is_call = matches!(self.slots.borrow().get(number), Some(Operation::Call(_)));
            if is_call {
                self.completed(local, number, &completion);
            } else if completion.user_data != IGNORED {
                self.deferred.borrow_mut().push_back(completion);
            }
        }
    }

    /// Drops the answers that the kernel has taken, which is all or none of them. This is done before anything
    /// else, because an answer may contain the last client of an object. The tokens are kept for answers that the
    /// kernel refused. Returns how many answers it has taken.
    #[inline]
    fn drop_taken(&self, local: &Local) -> usize {
        let count = self.returning.borrow().len();
        if count == 0 || !local.all_submitted() {
            return 0;
        }
        for index in 0..count {
            let contents =
                self.returning.borrow_mut().get_mut(index).and_then(|answer| answer.contents.take());
            drop(contents);
        }
        count
    }

    /// The result of `read` on answer `number`, unless that answer is gone.
    #[inline(always)]
    fn answer_at<T>(&self, number: u64, read: impl FnOnce(&mut Returning) -> Option<T>) -> Option<T> {
        let index = number.checked_sub(self.first_returning.get())?;
        self.returning.borrow_mut().get_mut(index as usize).and_then(read)
    }

    fn completed(&self, local: &Local, number: usize, completion: &CompletionEntry) {
        let mut slots = self.slots.borrow_mut();
        match slots.get_mut(number) {
            Some(Operation::Receive { endpoint, handle, message }) if completion.status == 0 => {
                // Slot and handle are reused; only the memory is new.
                let next = Message::for_receiving();
                submit_receive(local, number, *handle, &next);
                let (endpoint, message) = (*endpoint, std::mem::replace(message, next));
                drop(slots);
                local.servers.received(local, endpoint, message, completion);
            }
            Some(_) => {
                let operation = slots.remove(number);
                drop(slots);
                match operation {
                    Operation::Call(call) => {
                        self.calls.set(self.calls.get().saturating_sub(1));
                        self.next_call(local);
                        call_completed(local, call, completion);
                    }
                    Operation::Receive { endpoint, .. } => local.servers.ended(endpoint),
                }
            }
            None => {}
        }
    }

    /// Starts a queued call.
    #[inline]
    fn next_call(&self, local: &Local) {
        let next = self.waiting.borrow_mut().pop_front();
        if let Some(next) = next {
            self.calls.set(self.calls.get() + 1);
            local.submit(next);
        }
    }

    /// The kernel refused an answer: the caller gets an exception instead, unless it is gone or was notified already.
    #[cold]
    fn answer_failed(&self, local: &Local, completion: &CompletionEntry) {
        let taken = |answer: &mut Returning| Some((answer.token, std::mem::take(&mut answer.exported)));
        let Some((token, exported)) = self.answer_at(completion.user_data & !RETURN_TAG, taken) else {
            return;
        };
        // The answer's capabilities were not delivered, so no receiver will release them.
        for badge in exported {
            local.servers.forget(badge);
        }
        match ErrorCode::from_raw(completion.status) {
            None | Some(ErrorCode::BadReplyToken | ErrorCode::Undelivered) => {}
            Some(code) => self.throw(local, token, ErrorCode::Failed, code.message()),
        }
    }
}

#[inline(always)]
fn submit_receive(local: &Local, number: usize, handle: Handle, message: &Message) {
    local.submit(SubmissionEntry {
        opcode: Opcode::Recv as u8,
        user_data: number as u64,
        cap: handle.0,
        recv_address: message.address(),
        recv_length: MAX_MESSAGE_BYTES,
        recv_cap_count: MAX_MESSAGE_CAPS,
        recv_caps: message.handles_address(),
        ..SubmissionEntry::default()
    });
}

#[inline]
fn call_completed(local: &Local, call: CallRef, completion: &CompletionEntry) {
    let mut results = std::mem::take(&mut *call.results.borrow_mut());
    let capabilities = decode(local, &results, completion);
    let outcome = if completion.status == 0 {
        results.note_foreign(completion.length);
        Received::foreign(results, completion.length, capabilities)
    } else {
        Err(failed(local, &call, results, completion))
    };
    if !call.is_abandoned() {
        call.complete(outcome);
    }
    call.let_go();
}

/// The error of a failed call.
#[cold]
fn failed(local: &Local, call: &Call, mut results: Message, completion: &CompletionEntry) -> capnp::Error {
    let has_text = completion.flags & CompletionFlags::EXCEPTION_TEXT.bits() != 0;
    let length = if has_text { completion.length } else { 0 };
    results.note_foreign(length);
    if ErrorCode::from_raw(completion.status).is_some_and(never_delivered) {
        for &badge in &*call.exported.borrow() {
            local.servers.forget(badge);
        }
    }
    from_status(completion.status, &String::from_utf8_lossy(results.bytes(length as usize)))
}

/// Whether an error means that the parameters were not sent, so that capabilities minted for them do not exist.
fn never_delivered(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::InvalidArgument
            | ErrorCode::BadCapability
            | ErrorCode::MissingRights
            | ErrorCode::BadAddress
            | ErrorCode::MessageTooLarge
            | ErrorCode::BadCapabilityList
    )
}
