//! Whether somebody waits for code.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
};

/// The urgency of a request for code. Once raised, it stays so.
#[derive(Clone, Default)]
pub struct Urgency(Rc<Inner>);

#[derive(Default)]
struct Inner {
    is_raised: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Urgency {
    /// The urgency of a request that somebody waits for.
    pub(crate) fn raised_at_once() -> Self {
        let urgency = Self::default();
        urgency.raise();
        urgency
    }

    /// Says that somebody waits for the code.
    pub(crate) fn raise(&self) {
        self.0.is_raised.set(true);
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }

    /// Whether somebody waits for the code.
    pub fn is_raised(&self) -> bool {
        self.0.is_raised.get()
    }

    /// Returns when somebody waits for the code. To be awaited by one task.
    pub async fn raised(&self) {
        poll_fn(|cx| {
            if self.is_raised() {
                return Poll::Ready(());
            }
            *self.0.waker.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
