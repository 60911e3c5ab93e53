//! Per-thread state: the ring and everything that runs on it.
#![expect(unsafe_code, reason = "a thread finds its state through a pointer that it set itself")]

use crate::message::{Pool, retire};
use crate::ring::queue::Ring;
use crate::runtime::{Asked, Call, Executor, Incoming, Operations, Servers};
use capos_abi::{CompletionEntry, NO_DEADLINE, SUBMISSION_ENTRIES, SubmissionEntry};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ptr;

/// User data of operations whose completion is ignored.
pub(crate) const IGNORED: u64 = u64::MAX - 1;

/// Number of entries submitted by `submit` before the kernel is entered.
const FULL: u32 = SUBMISSION_ENTRIES - 2;

/// A thread's state. It does not move from [`enter`] until the thread ends.
pub(crate) struct Local {
    ring: RefCell<Ring>,
    /// Entries that did not fit the submission queue, oldest first.
    backlog: RefCell<VecDeque<SubmissionEntry>>,
    pub(crate) buffers: RefCell<Pool>,
    /// Records of finished calls, to be reused.
    #[expect(clippy::vec_box, reason = "they leave as boxes")]
    pub(crate) calls: RefCell<Vec<Box<Call>>>,
    /// Records of answered incoming calls, to be reused.
    #[expect(clippy::vec_box, reason = "they leave as boxes")]
    pub(crate) incoming: RefCell<Vec<Box<Incoming>>>,
    pub(crate) operations: Operations,
    pub(crate) executor: Executor,
    pub(crate) servers: Servers,
    pub(crate) asked_server: Cell<Asked>,
}

thread_local! {
    static LOCAL: Cell<*const Local> = const { Cell::new(ptr::null()) };
}

impl Local {
    pub(crate) fn new(ring: Ring) -> Self {
        Self {
            ring: RefCell::new(ring),
            backlog: RefCell::default(),
            buffers: RefCell::default(),
            calls: RefCell::default(),
            incoming: RefCell::default(),
            operations: Operations::default(),
            executor: Executor::default(),
            servers: Servers::default(),
            asked_server: Cell::default(),
        }
    }

    /// Passes an entry to the kernel at the next [`wait`](Self::wait) or [`poll`](Self::poll). `operations`
    /// keeps the memory at its addresses alive until it has completed.
    #[inline(always)]
    pub(crate) fn submit(&self, entry: SubmissionEntry) {
        if !self.backlog.borrow().is_empty() {
            return self.queue(entry);
        }
        // SAFETY: every caller in this crate keeps the entry's buffers in `operations` until its completion.
        if unsafe { self.ring.borrow_mut().push_below(FULL, &entry) }.is_err() {
            self.queue(entry);
        }
    }

    #[cold]
    fn queue(&self, entry: SubmissionEntry) {
        self.backlog.borrow_mut().push_back(entry);
    }

    /// Submits pending entries and waits for a completion or the deadline.
    pub(crate) fn wait(&self, deadline_ns: u64) {
        self.enter(1, deadline_ns);
    }

    /// Submits pending entries, without waiting. Enters the kernel only if there are any.
    pub(crate) fn poll(&self) {
        if self.ring.borrow().unsubmitted() != 0 {
            self.enter(0, NO_DEADLINE);
        }
    }

    #[inline]
    fn enter(&self, wait_for: u32, deadline_ns: u64) {
        if self.backlog.borrow().is_empty() {
            self.enter_kernel(wait_for, deadline_ns);
        } else {
            self.enter_with_backlog(wait_for, deadline_ns);
        }
    }

    #[inline(always)]
    fn enter_kernel(&self, wait_for: u32, deadline_ns: u64) {
        let entered = self.ring.borrow_mut().enter(wait_for, deadline_ns);
        // Entering fails only with corrupt indices, and nothing can continue without the ring.
        assert!(entered.is_ok(), "the ring is unusable: {entered:?}");
    }

    #[cold]
    fn enter_with_backlog(&self, wait_for: u32, deadline_ns: u64) {
        loop {
            let more = self.refill();
            self.enter_kernel(if more { 0 } else { wait_for }, deadline_ns);
            if !more || self.ring.borrow().unread() != 0 {
                return;
            }
        }
    }

    /// Moves the backlog into the queue as far as it fits; true if some remains.
    fn refill(&self) -> bool {
        let mut backlog = self.backlog.borrow_mut();
        while let Some(entry) = backlog.front() {
            let mut ring = self.ring.borrow_mut();
            // SAFETY: as in `submit`.
            if ring.unsubmitted() >= FULL || unsafe { ring.push(entry) }.is_err() {
                return true;
            }
            backlog.pop_front();
        }
        false
    }

    /// Whether the kernel has taken every entry.
    pub(crate) fn all_submitted(&self) -> bool {
        self.backlog.borrow().is_empty() && self.ring.borrow().unsubmitted() == 0
    }

    /// Stores the oldest unread completion in `entry`; false if there is none.
    #[inline(always)]
    pub(crate) fn next_completion(&self, entry: &mut CompletionEntry) -> bool {
        self.ring.borrow_mut().pop_into(entry)
    }
}

impl Drop for Local {
    /// Drops the tasks and objects of this thread, so that their capabilities are released while the ring
    /// still exists.
    fn drop(&mut self) {
        self.executor.clear();
        self.servers.clear();
        self.poll();
        self.operations.abandon();
        let kept = (self.calls.take(), self.incoming.take());
        drop(kept);
        LOCAL.set(ptr::null());
        retire(self.buffers.take());
    }
}

/// Makes `local` the calling thread's state.
pub(crate) fn enter(local: &'static Local) {
    LOCAL.set(local);
}

/// The calling thread's state, if it has one.
#[inline(always)]
pub(crate) fn try_current() -> Option<&'static Local> {
    // SAFETY: only `enter` sets the pointer, from a reference that is valid until `Local::drop` clears it;
    // `Local` is not `Sync`, so the reference cannot leave the thread.
    unsafe { LOCAL.get().as_ref() }
}

/// The calling thread's state.
#[inline(always)]
pub(crate) fn current() -> &'static Local {
    match try_current() {
        Some(local) => local,
        None => panic!("this thread was not started by the capOS runtime"),
    }
}

/// Calls `f` with the calling thread's ring. `f` must not allocate, because the heap uses the ring too.
pub(crate) fn with_ring<T>(f: impl FnOnce(&mut Ring) -> T) -> T {
    f(&mut current().ring.borrow_mut())
}
