//! Letting the executor's other tasks run.

use std::{
    future::poll_fn,
    task::{Context as TaskContext, Poll},
};

/// Waits until every task that is ready now has run.
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
