//! Waiting for a time, by the ring's own deadline, so that a timer costs no operation.

use crate::local;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Wakers by deadline, in monotonic nanoseconds.
#[derive(Default)]
pub(super) struct Timers {
    waiting: RefCell<BTreeMap<(u64, u64), Waker>>,
    next: Cell<u64>,
}

impl Timers {
    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.waiting.borrow().first_key_value().map(|(&(deadline, _), _)| deadline)
    }

    /// Wakes all expired timers.
    pub(super) fn fire(&self) {
        if self.waiting.borrow().is_empty() {
            return;
        }
        let now = now_ns();
        loop {
            let mut waiting = self.waiting.borrow_mut();
            match waiting.first_entry() {
                Some(entry) if entry.key().0 <= now => {
                    let waker = entry.remove();
                    drop(waiting);
                    waker.wake();
                }
                _ => return,
            }
        }
    }
}

/// Monotonic nanoseconds since the kernel started.
///
/// # Panics
/// Without the grant "timer", like `Instant::now`.
#[cfg(target_os = "hermit")]
#[must_use]
pub fn now_ns() -> u64 {
    match crate::platform::monotonic_ns() {
        Ok(now) => now,
        Err(_) => panic!("waiting for a time needs the grant \"timer\""),
    }
}

/// Monotonic nanoseconds since the first call.
#[cfg(not(target_os = "hermit"))]
#[must_use]
pub fn now_ns() -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

struct Sleep {
    deadline_ns: u64,
    registered: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if now_ns() >= self.deadline_ns {
            return Poll::Ready(());
        }
        let timers = &local::current().executor.timers;
        let number = self.registered.unwrap_or_else(|| {
            let number = timers.next.get();
            timers.next.set(number + 1);
            number
        });
        self.registered = Some(number);
        timers.waiting.borrow_mut().insert((self.deadline_ns, number), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let (Some(number), Some(local)) = (self.registered, local::try_current()) {
            local.executor.timers.waiting.borrow_mut().remove(&(self.deadline_ns, number));
        }
    }
}

/// Waits until the monotonic clock reaches `deadline_ns` nanoseconds since the kernel started.
///
/// # Panics
/// When awaited without the grant "timer"; so do the functions below.
pub fn sleep_until_ns(deadline_ns: u64) -> impl Future<Output = ()> {
    Sleep { deadline_ns, registered: None }
}

/// Waits for `duration`.
pub fn sleep(duration: Duration) -> impl Future<Output = ()> {
    let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    sleep_until_ns(now_ns().saturating_add(nanoseconds))
}

/// Waits until `deadline`.
pub fn sleep_until(deadline: Instant) -> impl Future<Output = ()> {
    sleep(deadline.saturating_duration_since(Instant::now()))
}

/// The error for a deadline that passed first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the deadline passed")
    }
}

impl Error for Elapsed {}

impl From<Elapsed> for capnp::Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::overloaded(elapsed.to_string())
    }
}

/// Awaits `future` until `deadline`; then it is dropped, which cancels its calls.
///
/// # Errors
/// [`Elapsed`] if the deadline passed first.
pub async fn with_deadline<F: Future>(future: F, deadline: Instant) -> Result<F::Output, Elapsed> {
    race(future, sleep_until(deadline)).await
}

/// [`with_deadline`] in monotonic nanoseconds since the kernel started.
///
/// # Errors
/// [`Elapsed`] if the deadline passed first.
pub async fn with_deadline_ns<F: Future>(future: F, deadline_ns: u64) -> Result<F::Output, Elapsed> {
    race(future, sleep_until_ns(deadline_ns)).await
}

async fn race<F: Future>(future: F, sleep: impl Future<Output = ()>) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let mut sleep = pin!(sleep);
    std::future::poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        sleep.as_mut().poll(context).map(|()| Err(Elapsed))
    })
    .await
}
