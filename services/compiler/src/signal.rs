//! Waiting until a value that others set is there.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// The tasks that wait for a change.
#[derive(Default)]
pub(crate) struct Signal(RefCell<Vec<Waker>>);

impl Signal {
    /// Wakes every waiting task.
    pub(crate) fn notify(&self) {
        self.0.take().into_iter().for_each(Waker::wake);
    }

    /// Waits until `ready` gives a value; it is called again after each [`notify`](Self::notify).
    pub(crate) async fn until<T>(&self, mut ready: impl FnMut() -> Option<T>) -> T {
        poll_fn(|context| match ready() {
            Some(value) => Poll::Ready(value),
            None => {
                let mut waiting = self.0.borrow_mut();
                if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                    waiting.push(context.waker().clone());
                }
                Poll::Pending
            }
        })
        .await
    }
}
