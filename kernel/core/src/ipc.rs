//! Calls between processes: queues of callers and receivers, and the consequences of either side's end.
//!
//! An *operation* is a submission without a completion yet. A CALL waits in its endpoint's queue
//! of callers until a RECV takes it, is then *open* (its id is the server's reply token) until RETURN,
//! and completes. If its caller cancels while it is open, its record remains as a notification until the
//! server's next RECV. Messages stay in the sender's memory until there is a receiver.
//!
//! All accesses to process memory and threads go through [`Machine`].
//!
//! Work that may concern any number of operations or capabilities is done in steps ([`Work`]): [`Ipc::thread_step`] for a
//! request that its thread waits for, [`Ipc::close_process_step`] for the end of a process, and [`Ipc::work_step`] for
//! consequences of either that no thread waits for. Any other operation may happen between two steps.

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
pub use objects::{ObjectCall, Reply, Suspended};
pub use submit::{Submitted, Submitter};

/// The calling thread, and where the answer goes.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The thread whose ring gets the completion.
    pub thread: u32,
    /// Its process.
    pub process: u32,
    /// Returned unchanged in the completion.
    pub user_data: u64,
    /// Whether to omit the completion on success.
    pub quiet: bool,
    /// The buffers for the incoming message.
    pub recv: Incoming,
}

/// The state of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// A CALL in its endpoint's queue of callers.
    Queued,
    /// A CALL that is being served by the process with this number.
    Open(u32),
    /// Was a CALL being served by the process with this number; its caller cancelled it. In its endpoint's
    /// list of notifications.
    Abandoned(u32),
    /// A RECV in its endpoint's queue of receivers.
    Receiving,
    /// A CALL to a kernel object, in this queue.
    Pending(QueueId),
    /// In no list, being set up.
    Unlisted,
}

/// Neighbours in one of the lists of operations.
#[derive(Clone, Copy, Debug)]
struct Links {
    next: u32,
    previous: u32,
}

const UNLINKED: Links = Links { next: NONE, previous: NONE };

/// A submission that has no completion yet.
pub struct Operation {
    caller: Caller,
    state: State,
    /// The endpoint, for CALL and RECV on endpoints.
    endpoint: Option<Id<Endpoint>>,
    /// The capability it was made with, which may no longer exist.
    node: NodeId,
    timer: Option<TimerId<Alarm>>,
    /// Position in the list for `state`.
    place: Links,
    /// Index among the operations of its thread.
    position: u32,
}

/// The content of a CALL, stored only while it waits to be received: most calls find a waiting receiver.
#[derive(Clone, Copy, Default, Debug)]
struct Request {
    interface: u64,
    method: u16,
    badge: u64,
    send: Outgoing,
}

/// Identifies an operation.
pub type OperationId = Id<Operation>;

/// The effect of an expired deadline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alarm {
    /// The operation fails.
    GiveUp(OperationId),
    /// The operation, a sleep, succeeds.
    Awake(OperationId),
}

/// An endpoint, where calls wait for a server.
pub struct Endpoint {
    object: ObjectId,
    callers: List,
    receivers: List,
    /// Calls whose callers cancelled while they were being served, of which the server has not been notified.
    abandoned: List,
    /// If nothing can receive from it any more: the next such endpoint.
    deaf: Option<u32>,
    /// The RECVs that were waiting on an endpoint that can no longer receive.
    deaf_receivers: List,
    /// Its object is gone. It is removed when nothing waits at it.
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

/// A queue of calls that a kernel object cannot answer yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueId(Id<Queue>);

/// A queue of waiting calls to a kernel object.
pub struct Queue {
    calls: List,
    /// If the object is gone: the next such queue.
    dead: Option<u32>,
}

struct ThreadOperations {
    process: u32,
    priority: u8,
    count: u32,
    /// The revocation that it has started.
    revocation: Option<revocation::RunningId>,
    /// The places of its operations, in any order; only the first `count` are valid.
    places: [u32; OPERATIONS_PER_THREAD],
}

/// Each may complete, and then needs an entry in the thread's ring.
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
    /// By process: how far its teardown has searched for operations that it was serving.
    closing: Vec<u32>,
    queues: Arena<Queue>,
    timers: Timers<Alarm>,
    revocations: Arena<revocation::Running>,
    /// Revocations whose thread has ended.
    orphans: u32,
    /// Endpoints that can no longer receive and at which operations may still wait.
    deaf_endpoints: u32,
    /// Queues whose object is gone and in which calls may still wait.
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
    /// No processes and no objects.
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

    /// Creates process `process` with a table of at most `slot_limit` capabilities.
    ///
    /// # Errors
    /// `BudgetExceeded` if there is not enough memory.
    pub fn open_process(&mut self, process: u32, slot_limit: u32) -> Result<(), ErrorCode> {
        let needed = process as usize + 1;
        if needed > self.closing.len() {
            let additional = needed - self.closing.len();
            reserve(&mut self.closing, additional).map_err(|_| ErrorCode::BudgetExceeded)?;
            self.closing.resize(needed, 0);
        }
        self.caps.open_table(process, slot_limit)
    }

    /// Creates thread `thread` of `process`; its deadlines have its `priority`.
    ///
    /// # Errors
    /// `BudgetExceeded` if there is not enough memory.
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

    /// The number of a thread's operations without a completion.
    #[must_use]
    #[inline]
    pub fn outstanding(&self, thread: u32) -> u32 {
        self.thread(thread).map_or(0, |thread| thread.count)
    }

    #[inline]
    fn thread(&self, thread: u32) -> Option<&ThreadOperations> {
        self.threads.get(thread as usize)?.as_ref()
    }

    /// Number of endpoints.
    #[must_use]
    pub const fn endpoint_count(&self) -> u32 {
        self.endpoints.len()
    }

    /// Creates an endpoint and the capability to serve it.
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

    /// The earliest deadline that is considered; `u64::MAX` without one.
    #[must_use]
    #[inline]
    pub const fn earliest_ns(&self) -> u64 {
        self.timers.earliest_ns()
    }

    /// Considers only deadlines of threads of this priority or a higher one.
    pub fn set_deadline_floor(&mut self, priority: u8) {
        self.timers.set_floor(priority);
    }

    /// Ends operations whose deadline is not after `now_ns`, those of the highest priorities first. Returns whether there
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

/// A completion that contains only a status.
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
