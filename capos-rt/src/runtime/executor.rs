//! A thread's executor: tasks that are polled when woken, and the loop that waits on the ring.

use super::remote::{OTHER_THREADS, Remote};
use super::timer::Timers;
use crate::local::{self, Local};
use slab::Slab;
use std::cell::{Cell, LazyCell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

type TaskFuture = Pin<Box<dyn Future<Output = ()>>>;

/// The tasks of one thread.
#[derive(Default)]
pub(crate) struct Executor {
    tasks: RefCell<Slab<Task>>,
    ready: RefCell<VecDeque<usize>>,
    next_serial: Cell<u64>,
    /// Created when first needed: the heap allocates through the ring of a thread that already has its state.
    remote: LazyCell<Arc<Remote>>,
    pub(super) timers: Timers,
}

struct Task {
    serial: u64,
    /// `None` while it is being polled.
    future: Option<TaskFuture>,
    signal: Arc<Signal>,
}

/// Identifies a task; a later task in the same slot has another serial number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TaskId {
    index: usize,
    serial: u64,
}

/// The target of a waker.
struct Signal {
    /// Set when woken, cleared when polled.
    woken: AtomicBool,
    /// The task's slot, or `None` for the future of a `block_on`.
    task: Option<usize>,
    /// The address of the owner's [`Local`], which identifies the thread.
    owner: usize,
    remote: Arc<Remote>,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.woken.swap(true, Ordering::AcqRel) {
            return;
        }
        match local::try_current() {
            Some(local) if ptr::from_ref(local) as usize == self.owner => {
                if let Some(task) = self.task {
                    local.executor.ready.borrow_mut().push_back(task);
                }
            }
            _ => self.remote.wake(self.task),
        }
    }
}

impl Executor {
    fn signal(&self, task: Option<usize>) -> Arc<Signal> {
        let owner = ptr::from_ref(local::current()) as usize;
        Arc::new(Signal { woken: AtomicBool::new(false), task, owner, remote: self.remote.clone() })
    }

    /// Adds a task; it is first polled by the loop.
    pub(super) fn spawn(&self, future: TaskFuture) -> TaskId {
        let serial = self.next_serial.get();
        self.next_serial.set(serial + 1);
        let mut tasks = self.tasks.borrow_mut();
        let entry = tasks.vacant_entry();
        let index = entry.key();
        let signal = self.signal(Some(index));
        signal.woken.store(true, Ordering::Relaxed);
        entry.insert(Task { serial, future: Some(future), signal });
        self.ready.borrow_mut().push_back(index);
        TaskId { index, serial }
    }

    /// Drops a task, unless it has ended. A task that aborts itself ends when it next waits.
    pub(super) fn abort(&self, id: TaskId) {
        let mut tasks = self.tasks.borrow_mut();
        if tasks.get(id.index).is_some_and(|task| task.serial == id.serial) {
            let task = tasks.remove(id.index);
            drop(tasks);
            drop(task);
        }
    }

    /// Drops every task.
    pub(crate) fn clear(&self) {
        let tasks = self.tasks.take();
        drop(tasks);
    }

    /// Polls the tasks that are ready now, but not those that become ready meanwhile.
    fn run_ready(&self) {
        let count = self.ready.borrow().len();
        for _ in 0..count {
            let Some(index) = self.ready.borrow_mut().pop_front() else { return };
            let Some((mut future, serial, signal)) =
                self.tasks.borrow_mut().get_mut(index).and_then(|task| {
                    let future = task.future.take()?;
                    Some((future, task.serial, task.signal.clone()))
                })
            else {
                continue;
            };
            signal.woken.store(false, Ordering::Relaxed);
            let waker = Waker::from(signal);
            let finished = future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            let mut tasks = self.tasks.borrow_mut();
            match tasks.get_mut(index) {
                Some(task) if task.serial == serial && !finished => task.future = Some(future),
                Some(task) if task.serial == serial => {
                    let task = tasks.remove(index);
                    drop(tasks);
                    drop((task, future));
                }
                // Aborted itself.
                _ => {
                    drop(tasks);
                    drop(future);
                }
            }
        }
    }

    /// Collects the tasks that other threads woke.
    #[inline(always)]
    fn take_remote(&self) {
        if OTHER_THREADS.load(Ordering::Relaxed) != 0 {
            self.take_woken();
        }
    }

    #[inline(never)]
    fn take_woken(&self) {
        let woken = self.remote.take();
        self.ready.borrow_mut().extend(woken);
    }

    /// Waits for completions or a wake-up.
    fn wait(&self, local: &Local, root: &Signal) {
        let deadline = self.timers.next_deadline();
        let others = OTHER_THREADS.load(Ordering::Relaxed) != 0;
        if others {
            if !self.remote.fall_asleep() {
                match local.servers.doorbell(local) {
                    Ok(doorbell) => self.remote.set_doorbell(doorbell),
                    Err(code) => panic!("cannot create the wake-up endpoint: {code:?}"),
                }
                self.remote.fall_asleep();
            }
            self.take_remote();
            if root.woken.load(Ordering::Acquire) || !self.ready.borrow().is_empty() {
                self.remote.awake();
                return;
            }
        } else {
            assert!(
                deadline.is_some() || local.operations.any_outstanding(),
                "deadlock: waiting without any operation in progress"
            );
        }
        local.wait(deadline.unwrap_or(capos_abi::NO_DEADLINE));
        if others {
            self.remote.awake();
        }
    }
}

/// Runs `future` to completion on this thread, together with all spawned tasks. May also be called within a task or a
/// server's method, which is then suspended; all other tasks and new calls to objects of this thread proceed.
///
/// # Panics
/// If nothing is left that could wake it, or if the thread is not one of the runtime's.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let local = local::current();
    let executor = &local.executor;
    let root = executor.signal(None);
    root.woken.store(true, Ordering::Relaxed);
    let waker = Waker::from(root.clone());
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if root.woken.swap(false, Ordering::AcqRel)
            && let Poll::Ready(output) = future.as_mut().poll(&mut context)
        {
            local.poll();
            return output;
        }
        executor.take_remote();
        executor.run_ready();
        let goes_on =
            give_back() || root.woken.load(Ordering::Acquire) || !executor.ready.borrow().is_empty();
        if goes_on || local.operations.any_deferred() {
            local.poll();
        } else {
            executor.wait(local, &root);
        }
        local.operations.process(local);
        executor.timers.fire();
    }
}

/// Submits this thread's new calls now, rather than when the thread next waits, and processes the results of calls that
/// have arrived. Does not wait: immediate answers of a higher-priority process are available afterwards; others arrive
/// later, as usual.
pub fn push_calls() {
    let local = local::current();
    local.poll();
    local.operations.process_calls(local);
}

/// A handle to the result of [`spawn_local`]. Dropping it lets the task continue.
#[derive(Debug)]
pub struct JoinHandle<T> {
    shared: Rc<Joined<T>>,
    task: TaskId,
}

#[derive(Debug)]
struct Joined<T> {
    output: RefCell<Option<T>>,
    waker: RefCell<Option<Waker>>,
}

impl<T> JoinHandle<T> {
    /// Drops the task, and everything it waits for.
    pub fn abort(self) {
        local::current().executor.abort(self.task);
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match self.shared.output.take() {
            Some(output) => Poll::Ready(output),
            None => {
                *self.shared.waker.borrow_mut() = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Runs `future` on this thread whenever a [`block_on`] runs.
pub fn spawn_local<T: 'static>(future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    let shared = Rc::new(Joined { output: RefCell::new(None), waker: RefCell::new(None) });
    let result = shared.clone();
    let task = local::current().executor.spawn(Box::pin(async move {
        let output = future.await;
        *result.output.borrow_mut() = Some(output);
        if let Some(waker) = result.waker.take() {
            waker.wake();
        }
    }));
    JoinHandle { shared, task }
}

/// Lets the thread's other tasks run once.
pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Returns a part of the memory that was freed, and whether there is more.
#[cfg(target_os = "hermit")]
fn give_back() -> bool {
    crate::platform::give_back()
}

/// The heap of other systems is not ours.
#[cfg(not(target_os = "hermit"))]
fn give_back() -> bool {
    false
}
