//! Interrupts: ends of an instance from outside, while it runs or waits.

use super::Control;
use crate::End;
use futures::future::LocalBoxFuture;
use std::{
    future::poll_fn,
    rc::Rc,
    task::{Context as TaskContext, Poll},
};

/// Being killed, and running out of time.
pub(crate) struct Interrupts {
    control: Rc<Control>,
    deadline: Option<LocalBoxFuture<'static, End>>,
}

impl Interrupts {
    /// `deadline` resolves when the instance's time is over.
    pub(crate) fn new(control: Rc<Control>, deadline: Option<LocalBoxFuture<'static, End>>) -> Self {
        Self { control, deadline }
    }

    pub(crate) fn control(&self) -> Rc<Control> {
        self.control.clone()
    }

    /// Ready when the instance must end now. Wakes the task when that changes.
    pub(crate) fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<End> {
        if self.control.is_killed() {
            return Poll::Ready(End::Killed);
        }
        self.control.set_driver(cx.waker());
        self.deadline.as_mut().map_or(Poll::Pending, |deadline| deadline.as_mut().poll(cx))
    }

    /// Lets every other task of the executor run, then goes on unless the instance must end.
    pub(crate) async fn yield_now(&mut self) -> Result<(), End> {
        yield_once().await;
        match poll_once(|cx| self.poll(cx)).await {
            Some(end) => Err(end),
            None => Ok(()),
        }
    }
}

/// Waits until every task that is ready now has had its turn.
pub(crate) async fn yield_once() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Polls once without waiting.
pub(crate) async fn poll_once<T>(mut poll: impl FnMut(&mut TaskContext<'_>) -> Poll<T>) -> Option<T> {
    poll_fn(|cx| match poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
