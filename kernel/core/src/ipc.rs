//! Calls between processes: who waits for whom, and what happens when one of them goes away.
//!
//! An *operation* is what a thread has submitted and not yet got a completion for. A CALL waits in its endpoint's queue
//! of callers until a RECV takes it, is then *open* (its id is the server's reply token) until RETURN,
//! and completes. If its caller gives up while it is open, its record stays as a notification until the
//! server's next RECV. Messages stay in the memory of whoever sends them until there is a receiver.
//!
//! Everything that touches memory or threads goes through [`Machine`].
//!
//! Work that may concern any number of operations or capabilities is done in steps ([`Work`]): [`Ipc::thread_step`] for a
//! request that its thread waits for, [`Ipc::close_process_step`] for the end of a process, and [`Ipc::work_step`] for
//! consequences of either that nobody waits for. Between two steps everything else may happen, in any order.

use crate::{
    NONE,
    arena::{Arena, Id},
    caps::{CapSpace, NodeId, ObjectId, ObjectKind},
    reserve,
    ring::{Incoming, Outgoing},
    timers::{TimerId, Timers},
    work::Work,
};
use alloc::vec::Vec;
use capos_abi::{COMPLETION_ENTRIES, CompletionEntry, ErrorCode, Handle, Rights};

mod call;
mod check;
mod direct;
mod finish;
mod list;
mod machine;
mod message;
mod objects;
mod receive;
mod revocation;
mod submit;
mod teardown;
#[cfg(test)]
mod tests;

pub use direct::{Direct, Party};
pub use list::List;
pub use machine::{CopyFault, Machine, Place};
pub use objects::{ObjectCall, QueueId, Reply, Suspended};
pub use submit::{Submitted, Submitter};

/// The thread that asked, and the place of the answer.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The thread whose ring gets the completion.
    pub thread: u32,
    /// Its process.
    pub process: u32,
    /// Comes back in the completion.
    pub user_data: u64,
    /// No completion on success.
    pub quiet: bool,
    /// Where the incoming message goes.
    pub recv: Incoming,
}

/// Where an operation stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// A CALL among its endpoint's callers.
    Queued,
    /// A CALL that the process numbered so is answering.
    Open(u32),
    /// Was a CALL that the process numbered so was answering; its caller gave up. Among its endpoint's news.
    Abandoned(u32),
    /// A RECV among its endpoint's receivers.
    Receiving,
    /// A CALL to a kernel object, in this queue.
    Pending(QueueId),
    /// On no list: being set up.
    Unlisted,
}

/// Neighbours in one of the lists that operations are on.
#[derive(Clone, Copy, Debug)]
struct Links {
    next: u32,
    previous: u32,
}

const UNLINKED: Links = Links { next: NONE, previous: NONE };

/// Something a thread has submitted and not yet got a completion for.
pub struct Operation {
    caller: Caller,
    state: State,
    /// Of CALL and RECV on endpoints.
    endpoint: Option<Id<Endpoint>>,
    /// The capability it was made with, which may be gone.
    node: NodeId,
    timer: Option<TimerId<Alarm>>,
    /// In the list that `state` says.
    place: Links,
    /// Among the operations of its thread.
    position: u32,
}

/// The contents of a CALL, kept only while it waits to be taken: most calls find their receiver waiting.
#[derive(Clone, Copy, Default, Debug)]
struct Request {
    interface: u64,
    method: u16,
    badge: u64,
    send: Outgoing,
}

/// Names an operation.
pub type OperationId = Id<Operation>;

/// The meaning of a deadline that passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alarm {
    /// The operation fails.
    GiveUp(OperationId),
    /// The operation, a sleep, succeeds.
    Awake(OperationId),
}

/// Where calls wait for a server.
pub struct Endpoint {
    object: ObjectId,
    callers: List,
    receivers: List,
    /// Calls whose callers gave up while they were answered, of which the server has not heard.
    abandoned: List,
    /// Nobody can receive from it any more: the next of such endpoints.
    deaf: Option<u32>,
    /// The RECVs that waited on an endpoint that nobody can call any more.
    deaf_receivers: List,
    /// Its object is gone. It goes when nothing waits at it.
    gone: bool,
}

impl Endpoint {
    const fn new(object: ObjectId) -> Self {
        Self {
            object,
            callers: List::EMPTY,
            receivers: List::EMPTY,
            abandoned: List::EMPTY,
            deaf: None,
            deaf_receivers: List::EMPTY,
            gone: false,
        }
    }
}

/// Calls to a kernel object that wait.
pub struct Queue {
    calls: List,
    /// The object is gone: the next of such queues.
    dead: Option<u32>,
}

struct ThreadOperations {
    process: u32,
    priority: u8,
    count: u32,
    /// The revocation that it has begun.
    revocation: Option<revocation::RunningId>,
    /// The places of its operations, in any order; the first `count` count.
    places: [u32; OPERATIONS_PER_THREAD],
}

/// Each may complete, and then needs an entry of the thread's ring.
const OPERATIONS_PER_THREAD: usize = COMPLETION_ENTRIES as usize;

/// All capabilities, endpoints and calls.
pub struct Ipc {
    /// The capabilities of all processes.
    pub caps: CapSpace,
    endpoints: Arena<Endpoint>,
    operations: Arena<Operation>,
    /// By the place of the operation.
    requests: Vec<Request>,
    threads: Vec<Option<ThreadOperations>>,
    /// By process: how far its end has looked for operations that it was answering.
    closing: Vec<u32>,
    queues: Arena<Queue>,
    timers: Timers<Alarm>,
    revocations: Arena<revocation::Running>,
    /// Revocations whose thread has ended.
    orphans: u32,
    /// Endpoints from which nobody can receive any more and at which something may wait still.
    deaf_endpoints: u32,
    /// Queues whose object is gone and in which calls may wait still.
    dead_queues: u32,
}

const MAX_ENDPOINTS: u32 = 1 << 20;
const MAX_OPERATIONS: u32 = 1 << 20;

impl Default for Ipc {
    fn default() -> Self {
        Self::new()
    }
}

impl Ipc {
    /// Nothing and nobody.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            caps: CapSpace::new(),
            endpoints: Arena::new(MAX_ENDPOINTS),
            operations: Arena::new(MAX_OPERATIONS),
            requests: Vec::new(),
            threads: Vec::new(),
            closing: Vec::new(),
            queues: Arena::new(MAX_OPERATIONS),
            timers: Timers::new(MAX_OPERATIONS),
            revocations: Arena::new(MAX_OPERATIONS),
            orphans: NONE,
            deaf_endpoints: NONE,
            dead_queues: NONE,
        }
    }

    /// Opens process `process` with a table of at most `slot_limit` capabilities.
    ///
    /// # Errors
    /// `BudgetExceeded` when memory is used up.
    pub fn open_process(&mut self, process: u32, slot_limit: u32) -> Result<(), ErrorCode> {
        let needed = process as usize + 1;
        if needed > self.closing.len() {
            let additional = needed - self.closing.len();
            reserve(&mut self.closing, additional).map_err(|_| ErrorCode::BudgetExceeded)?;
            self.closing.resize(needed, 0);
        }
        self.caps.open_table(process, slot_limit)
    }

    /// Opens thread `thread` of `process`; its deadlines have its `priority`.
    ///
    /// # Errors
    /// `BudgetExceeded` when memory is used up.
    pub fn open_thread(&mut self, thread: u32, process: u32, priority: u8) -> Result<(), ErrorCode> {
        let needed = thread as usize + 1;
        if needed > self.threads.len() {
            let additional = needed - self.threads.len();
            reserve(&mut self.threads, additional).map_err(|_| ErrorCode::BudgetExceeded)?;
            self.threads.resize_with(needed, || None);
        }
        let operations = ThreadOperations {
            process,
            priority,
            count: 0,
            revocation: None,
            places: [NONE; OPERATIONS_PER_THREAD],
        };
        if let Some(entry) = self.threads.get_mut(thread as usize) {
            *entry = Some(operations);
        }
        Ok(())
    }

    /// How many operations of a thread have no completion yet.
    #[must_use]
    #[inline]
    pub fn outstanding(&self, thread: u32) -> u32 {
        self.thread(thread).map_or(0, |thread| thread.count)
    }

    #[inline]
    fn thread(&self, thread: u32) -> Option<&ThreadOperations> {
        self.threads.get(thread as usize)?.as_ref()
    }

    /// How many endpoints there are.
    #[must_use]
    pub const fn endpoint_count(&self) -> u32 {
        self.endpoints.len()
    }

    /// A new endpoint and the capability to serve it.
    ///
    /// # Errors
    /// `BudgetExceeded`.
    pub fn create_endpoint(&mut self, process: u32) -> Result<Handle, ErrorCode> {
        let id = self.endpoints.insert(Endpoint::new(Id::NOTHING)).map_err(|_| ErrorCode::BudgetExceeded)?;
        let rights = Rights::RECEIVE | Rights::MINT | Rights::TRANSFER;
        match self.caps.insert_new(process, ObjectKind::Endpoint, id.pack(), rights) {
            Ok((handle, object)) => {
                if let Some(endpoint) = self.endpoints.get_mut(id) {
                    endpoint.object = object;
                }
                Ok(handle)
            }
            Err(error) => {
                self.endpoints.remove(id);
                Err(error)
            }
        }
    }

    /// The earliest deadline of any operation that counts now; `u64::MAX` without one.
    #[must_use]
    #[inline]
    pub const fn earliest_ns(&self) -> u64 {
        self.timers.earliest_ns()
    }

    /// Lets only deadlines of threads of this priority or a higher one count.
    pub fn set_deadline_floor(&mut self, priority: u8) {
        self.timers.set_floor(priority);
    }

    /// Ends operations whose deadline is not after `now_ns`, those of the most important threads first. Returns whether there
    /// may be more.
    pub fn expire_step<M: Machine>(&mut self, machine: &mut M, now_ns: u64, work: &mut Work) -> bool {
        while work.take() {
            match self.timers.pop_expired(now_ns) {
                Some(Alarm::GiveUp(id)) => self.give_up(machine, id, Some(ErrorCode::TimedOut)),
                Some(Alarm::Awake(id)) => self.answer(machine, id, Reply::EMPTY),
                None => return false,
            }
        }
        true
    }

    /// Ends all operations whose deadline is not after `now_ns`.
    pub fn expire<M: Machine>(&mut self, machine: &mut M, now_ns: u64) {
        while self.expire_step(machine, now_ns, &mut Work::step()) {}
    }
}

/// A completion with nothing but a status.
#[inline(always)]
fn completion(user_data: u64, code: Option<ErrorCode>) -> CompletionEntry {
    CompletionEntry {
        user_data,
        status: match code {
            None => 0,
            Some(code) => code as i32,
        },
        flags: 0,
        kind: 0,
        length: 0,
        cap_count: 0,
        token: 0,
        badge: 0,
        interface: 0,
        method: 0,
        reserved: [0; 7],
    }
}
