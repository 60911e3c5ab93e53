//! Interrupts: ending an instance from outside while it runs or waits.

use super::Control;
use crate::{
    End,
    turns::{poll_once, yield_once},
};
use futures::future::LocalBoxFuture;
use std::{
    rc::Rc,
    task::{Context as TaskContext, Poll},
};

/// Being killed, and exceeding the time limit.
pub(crate) struct Interrupts {
    control: Rc<Control>,
    deadline: Option<LocalBoxFuture<'static, End>>,
}

impl Interrupts {
    /// `deadline` resolves when the instance's time limit is reached.
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

    /// Lets every other task of the executor run, then continues unless the instance must end.
    pub(crate) async fn yield_now(&mut self) -> Result<(), End> {
        yield_once().await;
        match poll_once(|cx| self.poll(cx)).await {
            Some(end) => Err(end),
            None => Ok(()),
        }
    }
}
