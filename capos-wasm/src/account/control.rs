//! The shared state of an instance: its usage, its end, and requests to end it.

use super::{Missing, Refusal, Refusals, said::says_no_thread};
use crate::{End, Limits, NamedGrant};
use futures::channel::oneshot;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    task::Waker,
};

/// The number of ends remembered as reasons for restarts, and the number of functions kept of a trap.
const RESTART_CAUSES: usize = 16;
const CAUSE_FRAMES: usize = 8;

/// The resources that an instance has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Fuel used, in units of one simple instruction.
    pub fuel: u64,
    /// Linear memory.
    pub memory_bytes: u64,
    /// Bytes written to the standard streams.
    pub output_bytes: u64,
}

/// The time to start an instance, by its host's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StartTime {
    /// Reading and validating the module.
    pub compile_ns: u64,
    /// Instantiation.
    pub instantiate_ns: u64,
}

pub(crate) struct Control {
    killed: Cell<bool>,
    /// Wakes the task that runs the instance.
    driver: Cell<Option<Waker>>,
    end: RefCell<Option<End>>,
    started: Cell<bool>,
    /// Tasks that wait for it to be started.
    expecting: RefCell<Vec<oneshot::Sender<()>>>,
    waiters: RefCell<Vec<oneshot::Sender<End>>>,
    usage: Cell<Usage>,
    output_limit: u64,
    out_of_memory: Cell<bool>,
    empty_module: Cell<bool>,
    start_time: Cell<StartTime>,
    /// Number of queued calls.
    queued: Cell<usize>,
    refusals: RefCell<Refusals>,
    restarts: Cell<u32>,
    restart_causes: RefCell<VecDeque<End>>,
    /// Capabilities held by name until the end.
    grants: RefCell<Vec<NamedGrant>>,
}

impl Control {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            killed: Cell::default(),
            driver: Cell::default(),
            end: RefCell::default(),
            started: Cell::default(),
            expecting: RefCell::default(),
            waiters: RefCell::default(),
            usage: Cell::default(),
            output_limit: limits.output_bytes,
            out_of_memory: Cell::default(),
            empty_module: Cell::default(),
            start_time: Cell::default(),
            queued: Cell::default(),
            refusals: RefCell::default(),
            restarts: Cell::default(),
            restart_causes: RefCell::default(),
            grants: RefCell::default(),
        }
    }

    /// Keeps these capabilities for the instance until it ends.
    pub(crate) fn hold(&self, grants: Vec<NamedGrant>) {
        *self.grants.borrow_mut() = grants;
    }

    /// The name and the interface of each capability that it holds by name.
    pub(crate) fn grants(&self) -> Vec<(String, u64)> {
        self.grants.borrow().iter().map(|grant| (grant.name.clone(), grant.interface)).collect()
    }

    pub(crate) fn usage(&self) -> Usage {
        self.usage.get()
    }

    pub(crate) fn set_fuel(&self, fuel: u64) {
        self.usage.set(Usage { fuel, ..self.usage.get() });
    }

    pub(crate) fn set_memory(&self, memory_bytes: u64) {
        self.usage.set(Usage { memory_bytes, ..self.usage.get() });
    }

    /// Counts up to `wanted` bytes as written and returns how many the limit allows.
    pub(crate) fn take_output(&self, wanted: u32) -> u32 {
        let usage = self.usage.get();
        let left = self.output_limit.saturating_sub(usage.output_bytes);
        let allowed = u32::try_from(left).unwrap_or(u32::MAX).min(wanted);
        let output_bytes = usage.output_bytes + u64::from(allowed);
        self.usage.set(Usage { output_bytes, ..usage });
        allowed
    }

    /// Subtracts what was counted but not written.
    pub(crate) fn return_output(&self, unused: u32) {
        let usage = self.usage.get();
        let output_bytes = usage.output_bytes.saturating_sub(unused.into());
        self.usage.set(Usage { output_bytes, ..usage });
    }

    /// Records something that was not granted.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        self.refusals.borrow_mut().add(refusal);
    }

    /// Records that a call of this function succeeded; `reports` says whether the function is typically used
    /// to report an error and exit.
    pub(crate) fn call_succeeded(&self, import: &str, reports: bool) {
        self.refusals.borrow_mut().succeeded(import, reports);
    }

    /// Records that a call failed.
    pub(crate) fn call_failed(&self) {
        self.refusals.borrow_mut().failed();
    }

    /// Records that a directory was changed.
    pub(crate) fn changed_a_directory(&self) {
        self.refusals.borrow_mut().changed_a_directory();
    }

    /// Whether something was not granted, so that the program's output may refer to that.
    pub(crate) fn lacks_something(&self) -> bool {
        !self.refusals.borrow().is_empty()
    }

    /// Records a message of `length` bytes, which begins with `message`, on standard output or standard
    /// error.
    pub(crate) fn said(&self, is_error: bool, message: &[u8], length: u32) {
        self.refusals.borrow_mut().said(is_error, message, length);
        if is_error && says_no_thread(message) {
            self.refuse(Refusal { import: "starting a thread", missing: Missing::Threads });
        }
    }

    /// Records that the program trapped and the trap itself gives the reason.
    pub(crate) fn trap_says_why(&self) {
        self.refusals.borrow_mut().trap_says_why();
    }

    pub(crate) fn refusals(&self) -> Vec<Refusal> {
        self.refusals.borrow().reasons(self.end.borrow().as_ref())
    }

    /// The refusals of calls of this function, whether or not they matter.
    pub(crate) fn refusals_of(&self, import: &str) -> Vec<Refusal> {
        self.refusals.borrow().of(import)
    }

    pub(crate) fn set_compile_time(&self, compile_ns: u64) {
        self.start_time.set(StartTime { compile_ns, ..self.start_time.get() });
    }

    pub(crate) fn set_instantiate_time(&self, instantiate_ns: u64) {
        self.start_time.set(StartTime { instantiate_ns, ..self.start_time.get() });
    }

    pub(crate) fn start_time(&self) -> StartTime {
        self.start_time.get()
    }

    /// Records that the program was refused memory. It may continue; if it traps, this is the reason.
    pub(crate) fn set_out_of_memory(&self) {
        self.out_of_memory.set(true);
    }

    pub(crate) fn is_out_of_memory(&self) -> bool {
        self.out_of_memory.get()
    }

    pub(crate) fn set_empty_module(&self) {
        self.empty_module.set(true);
    }

    pub(crate) fn is_empty_module(&self) -> bool {
        self.empty_module.get()
    }

    /// Counts a queued call, unless there are already `limit`.
    pub(crate) fn enqueue(&self, limit: usize) -> bool {
        let queued = self.queued.get();
        if queued < limit {
            self.queued.set(queued + 1);
        }
        queued < limit
    }

    /// Counts a call that leaves the queue.
    pub(crate) fn dequeue(&self) {
        self.queued.set(self.queued.get().saturating_sub(1));
    }

    /// Starts a new run after this end, with nothing used yet.
    pub(crate) fn set_restarted(&self, cause: &End) {
        self.usage.set(Usage::default());
        self.refusals.take();
        self.out_of_memory.set(false);
        self.restarts.set(self.restarts.get().saturating_add(1));
        let mut causes = self.restart_causes.borrow_mut();
        if causes.len() >= RESTART_CAUSES {
            causes.pop_front();
        }
        causes.push_back(cause.clone().shortened(CAUSE_FRAMES));
    }

    /// Number of restarts.
    pub(crate) fn restarts(&self) -> u32 {
        self.restarts.get()
    }

    /// The last ends that caused restarts, oldest first.
    pub(crate) fn restart_causes(&self) -> Vec<End> {
        self.restart_causes.borrow().iter().cloned().collect()
    }

    /// Requests the instance's end; takes effect when its task next runs.
    pub(crate) fn kill(&self) {
        self.killed.set(true);
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.killed.get()
    }

    /// Sets the task that [`Control::kill`] wakes.
    pub(crate) fn set_driver(&self, waker: &Waker) {
        self.driver.set(Some(waker.clone()));
    }

    /// Records that the instance has been created.
    pub(crate) fn set_started(&self) {
        self.started.set(true);
        // Dropping the senders wakes the waiting tasks.
        drop(self.expecting.take());
    }

    /// Resolves when the instance has been created, or has ended before that.
    pub(crate) async fn started(&self) {
        if self.started.get() || self.end.borrow().is_some() {
            return;
        }
        let (sender, receiver) = oneshot::channel();
        self.expecting.borrow_mut().push(sender);
        // The senders are always dropped, so the result is always Canceled.
        let _ = receiver.await;
    }

    /// Publishes the end. Only the first call has an effect.
    pub(crate) fn finish(&self, end: End) {
        if self.end.borrow().is_some() {
            return;
        }
        // The capabilities are dropped before the end is reported.
        drop(self.grants.take());
        *self.end.borrow_mut() = Some(end.clone());
        drop(self.expecting.take());
        for waiter in self.waiters.take() {
            // The receiver may have been dropped.
            let _ = waiter.send(end.clone());
        }
    }

    pub(crate) fn end(&self) -> Option<End> {
        self.end.borrow().clone()
    }

    /// Resolves when the instance ends; `None` only if it never will.
    pub(crate) async fn wait(&self) -> Option<End> {
        if let Some(end) = self.end() {
            return Some(end);
        }
        let (sender, receiver) = oneshot::channel();
        {
            let mut waiters = self.waiters.borrow_mut();
            waiters.retain(|waiter| !waiter.is_canceled());
            waiters.push(sender);
        }
        receiver.await.ok()
    }
}
