//! A minimal model of the kernel: processes are threads of the test that share one lock.
#![expect(
    unsafe_code,
    reason = "stands in for the kernel, which reads and writes memory that entries point at"
)]

mod capabilities;
mod process;

pub(crate) use process::start;

use capabilities::{Object, Table};
use capos_rt::abi::{
    COMPLETION_ENTRIES, COMPLETION_OFFSET, CompletionEntry, CompletionFlags, CompletionKind, ErrorCode,
    Handle, Opcode, Rights, RingHeader, SUBMISSION_ENTRIES, SUBMISSION_OFFSET, SubmissionEntry,
    SubmissionFlags,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// The kernel of a test.
#[derive(Default)]
pub(crate) struct Kernel {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    table: Table,
    endpoints: Vec<Endpoint>,
    open: BTreeMap<u64, Waiting>,
    next_token: u64,
}

#[derive(Default)]
struct Endpoint {
    events: VecDeque<Event>,
    receivers: VecDeque<Waiting>,
}

enum Event {
    Call {
        token: u64,
        badge: u64,
        message: Vec<u8>,
        handles: Vec<capabilities::Sent>,
        entry: SubmissionEntry,
    },
    Notice {
        kind: CompletionKind,
        badge: u64,
        token: u64,
    },
}

/// A pending operation.
#[derive(Clone, Copy)]
struct Waiting {
    process: usize,
    ring: usize,
    entry: SubmissionEntry,
    /// For a call: the endpoint.
    endpoint: usize,
}

fn read(address: u64, length: usize) -> Vec<u8> {
    if length == 0 {
        return Vec::new();
    }
    // SAFETY: entries of the runtime under test refer to its own live buffers.
    unsafe { std::slice::from_raw_parts(address as *const u8, length).to_vec() }
}

fn write(address: u64, bytes: &[u8]) {
    // SAFETY: as in `read`; the buffer belongs to the operation until it completes.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), address as *mut u8, bytes.len()) }
}

fn header(ring: usize) -> &'static RingHeader {
    // SAFETY: rings live as long as the test process.
    unsafe { &*(ring as *const RingHeader) }
}

fn complete(ring: usize, completion: CompletionEntry) {
    let tail = header(ring).completion_tail.load(Ordering::Relaxed);
    let unread = tail.wrapping_sub(header(ring).completion_head.load(Ordering::Acquire));
    assert!(unread < COMPLETION_ENTRIES, "a completion would be lost");
    let slot = ring + COMPLETION_OFFSET + (tail % COMPLETION_ENTRIES) as usize * size_of::<CompletionEntry>();
    // SAFETY: the slot is in the ring and free.
    unsafe { (slot as *mut CompletionEntry).write_volatile(completion) };
    header(ring).completion_tail.store(tail.wrapping_add(1), Ordering::Release);
}

impl Waiting {
    fn done(self, completion: CompletionEntry) {
        complete(self.ring, CompletionEntry { user_data: self.entry.user_data, ..completion });
    }

    fn fail(self, code: ErrorCode) {
        self.done(CompletionEntry { status: code as i32, ..CompletionEntry::default() });
    }
}

impl Kernel {
    /// Processes up to `submit` entries of `ring`, then waits for `wait_for` unread completions.
    fn cap_enter(&self, process: usize, ring: usize, submit: u32, wait_for: u32, deadline_ns: u64) -> i64 {
        let mut state = self.state.lock().unwrap();
        for _ in 0..submit {
            let head = header(ring).submission_head.load(Ordering::Relaxed);
            if head == header(ring).submission_tail.load(Ordering::Acquire) {
                break;
            }
            let slot = (head % SUBMISSION_ENTRIES) as usize * size_of::<SubmissionEntry>();
            // SAFETY: the slot is in the ring, between head and tail.
            let entry =
                unsafe { ((ring + SUBMISSION_OFFSET + slot) as *const SubmissionEntry).read_volatile() };
            header(ring).submission_head.store(head.wrapping_add(1), Ordering::Release);
            state.handle(Waiting { process, ring, entry, endpoint: usize::MAX });
        }
        self.changed.notify_all();
        loop {
            let tail = header(ring).completion_tail.load(Ordering::Acquire);
            let unread = tail.wrapping_sub(header(ring).completion_head.load(Ordering::Acquire));
            if unread >= wait_for {
                return unread.into();
            }
            if deadline_ns != u64::MAX {
                let (next, _) = self.changed.wait_timeout(state, Duration::from_millis(1)).unwrap();
                drop(next);
                return unread.into();
            }
            state = self.changed.wait(state).unwrap();
        }
    }
}

impl State {
    fn handle(&mut self, waiting: Waiting) {
        let entry = waiting.entry;
        let quiet = entry.flags & SubmissionFlags::QUIET.bits() != 0;
        let outcome = match Opcode::from_raw(entry.opcode).expect("a defined opcode") {
            Opcode::Nop => Ok(0),
            Opcode::Call => return self.call(waiting),
            Opcode::Recv => match self.table.endpoint(waiting.process, entry.cap, Rights::RECEIVE) {
                Ok((endpoint, _)) => {
                    self.endpoints[endpoint].receivers.push_back(waiting);
                    return self.deliver(endpoint);
                }
                Err(code) => Err(code),
            },
            Opcode::Return => self.answer(waiting).map(|()| 0),
            Opcode::Release => self.table.release(waiting.process, Handle(entry.cap)).map(|()| 0),
            Opcode::Cancel => self.cancel(waiting).map(|()| 0),
            Opcode::Derive => {
                let mint = entry.flags & SubmissionFlags::MINT.bits() != 0;
                let badge = mint.then_some(entry.badge);
                self.table
                    .derive(waiting.process, Handle(entry.cap), entry.rights, badge)
                    .map(|handle| handle.0)
            }
            Opcode::Revoke => self.table.revoke(waiting.process, Handle(entry.cap)).map(|()| 0),
            Opcode::Identify => match self.table.identify(waiting.process, entry.cap, entry.token) {
                Ok(badge) => return waiting.done(CompletionEntry { badge, ..CompletionEntry::default() }),
                Err(code) => Err(code),
            },
        };
        match outcome {
            Ok(_) if quiet => {}
            Ok(token) => waiting.done(CompletionEntry { token, ..CompletionEntry::default() }),
            Err(code) => waiting.fail(code),
        }
        self.notice_drops();
    }

    fn call(&mut self, mut waiting: Waiting) {
        let entry = waiting.entry;
        let object = self.table.object(waiting.process, Handle(entry.cap), Rights::CALL);
        let (endpoint, badge) = match object {
            Ok((Object::Endpoint(endpoint), badge)) => (endpoint, badge),
            Ok((Object::Factory, _)) => return self.create_endpoint(waiting),
            Err(code) => return waiting.fail(code),
        };
        let handles = match self.table.take_along(waiting.process, &entry) {
            Ok(handles) => handles,
            Err(code) => return waiting.fail(code),
        };
        self.next_token += 1;
        let token = self.next_token;
        waiting.endpoint = endpoint;
        self.open.insert(token, waiting);
        let message = read(entry.send_address, entry.send_length as usize);
        self.endpoints[endpoint].events.push_back(Event::Call { token, badge, message, handles, entry });
        self.deliver(endpoint);
    }

    /// The model's only kernel object: `EndpointFactory.create`, whose results are one capability.
    fn create_endpoint(&mut self, waiting: Waiting) {
        self.endpoints.push(Endpoint::default());
        let rights = Rights::RECEIVE | Rights::MINT | Rights::CALL | Rights::TRANSFER;
        let object = Object::Endpoint(self.endpoints.len() - 1);
        let handle = self.table.insert(waiting.process, object, rights, 0, None);
        // One segment: a struct of one pointer, which is capability 0.
        let words: [u64; 3] = [2 << 32, 1 << 48, 3];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        write(waiting.entry.recv_address, &bytes);
        write(waiting.entry.recv_caps, &handle.0.to_le_bytes());
        waiting.done(CompletionEntry {
            length: bytes.len() as u32,
            cap_count: 1,
            ..CompletionEntry::default()
        });
    }

    /// Delivers pending events to waiting receivers.
    fn deliver(&mut self, index: usize) {
        while !self.endpoints[index].events.is_empty() {
            let Some(receiver) = self.endpoints[index].receivers.pop_front() else { return };
            let Some(event) = self.endpoints[index].events.pop_front() else { return };
            match event {
                Event::Notice { kind, badge, token } => receiver.done(CompletionEntry {
                    kind: kind as u16,
                    badge,
                    token,
                    ..CompletionEntry::default()
                }),
                Event::Call { token, badge, message, handles, entry } => {
                    write(receiver.entry.recv_address, &message);
                    let (cap_count, flags) =
                        self.table.arrive(receiver.process, &handles, receiver.entry.recv_caps);
                    receiver.done(CompletionEntry {
                        kind: CompletionKind::Call as u16,
                        flags: flags.bits(),
                        length: message.len() as u32,
                        cap_count,
                        token,
                        badge,
                        interface: entry.interface,
                        method: entry.method,
                        ..CompletionEntry::default()
                    });
                }
            }
        }
    }

    fn answer(&mut self, waiting: Waiting) -> Result<(), ErrorCode> {
        let entry = waiting.entry;
        let caller = self.open.remove(&entry.token).ok_or(ErrorCode::BadReplyToken)?;
        let message = read(entry.send_address, entry.send_length as usize);
        assert!(message.len() <= caller.entry.recv_length as usize, "the model's callers have room");
        if entry.flags & SubmissionFlags::EXCEPTION.bits() != 0 {
            write(caller.entry.recv_address, &message);
            caller.done(CompletionEntry {
                status: entry.method.into(),
                flags: CompletionFlags::EXCEPTION_TEXT.bits(),
                length: message.len() as u32,
                ..CompletionEntry::default()
            });
            return Ok(());
        }
        let handles = self.table.take_along(waiting.process, &entry)?;
        write(caller.entry.recv_address, &message);
        let (cap_count, flags) = self.table.arrive(caller.process, &handles, caller.entry.recv_caps);
        caller.done(CompletionEntry {
            flags: flags.bits(),
            length: message.len() as u32,
            cap_count,
            ..CompletionEntry::default()
        });
        Ok(())
    }

    fn cancel(&mut self, waiting: Waiting) -> Result<(), ErrorCode> {
        let found = self
            .open
            .iter()
            .find(|(_, call)| call.ring == waiting.ring && call.entry.user_data == waiting.entry.token);
        let (&token, &call) = found.ok_or(ErrorCode::NotFound)?;
        self.open.remove(&token);
        call.fail(ErrorCode::Cancelled);
        let endpoint = &mut self.endpoints[call.endpoint];
        let before = endpoint.events.len();
        endpoint
            .events
            .retain(|event| !matches!(event, Event::Call { token: queued, .. } if *queued == token));
        if endpoint.events.len() == before {
            endpoint.events.push_back(Event::Notice { kind: CompletionKind::CallCancelled, badge: 0, token });
        }
        self.deliver(call.endpoint);
        Ok(())
    }

    /// Notifies servers of badges without holders.
    fn notice_drops(&mut self) {
        for (endpoint, badge) in self.table.take_dropped() {
            let event = Event::Notice { kind: CompletionKind::BadgeDropped, badge, token: 0 };
            self.endpoints[endpoint].events.push_back(event);
            self.deliver(endpoint);
        }
    }
}
