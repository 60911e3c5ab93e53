//! The WASI side of one instance: a task that serves its calls, one after the other.
//!
//! The task is made once and owns the instance's [`Context`], so that a call costs no allocation: the engine
//! leaves the call in the mailbox and polls the task. Most calls are answered by that one poll. One that
//! must wait leaves no reply; the engine then suspends the guest and polls the task as part of its own
//! future until the reply is there. Dropping the task cancels whatever it waits for.

use super::{
    Context, GuestMemory, Snapshot,
    dispatch::{Call, Reply, dispatch},
};
use crate::resources::Push;
use futures::future::LocalBoxFuture;
use std::{
    cell::Cell,
    future::poll_fn,
    rc::Rc,
    task::{Context as TaskContext, Poll, Waker},
};

#[derive(Default)]
struct Mailbox {
    /// The snapshot that the call belongs to; apart, so that a call is moved as it is.
    snapshot: Cell<Snapshot>,
    call: Cell<Option<Call>>,
    reply: Cell<Option<Reply>>,
}

/// The WASI functions of one instance, with the state behind them.
pub(crate) struct Wasi {
    task: LocalBoxFuture<'static, ()>,
    mailbox: Rc<Mailbox>,
    memory: GuestMemory,
    push: Push,
}

impl Wasi {
    pub(crate) fn new(context: Context) -> Self {
        let mailbox = Rc::new(Mailbox::default());
        let memory = GuestMemory::default();
        let task = Box::pin(serve(context, memory.clone(), mailbox.clone()));
        Self { task, mailbox, memory, push: Push::default() }
    }

    /// How much the host has done for the guest since the last time this was asked, in units of fuel.
    pub(crate) fn take_work(&self) -> u64 {
        self.memory.take_work()
    }

    /// Begins a call, with the guest's memory as it is now, as this snapshot has it. `None` means that it waits:
    /// [`Wasi::poll_reply`] goes on with it.
    pub(crate) fn begin(&mut self, bytes: &mut [u8], snapshot: Snapshot, call: Call) -> Option<Reply> {
        self.mailbox.snapshot.set(snapshot);
        self.mailbox.call.set(Some(call));
        // Nobody needs waking: when the call waits, the engine polls again at once with its own waker.
        let mut cx = TaskContext::from_waker(Waker::noop());
        let mut reply = self.poll_reply(bytes, &mut cx);
        if reply.is_pending() && self.push.attempt() {
            reply = self.poll_reply(bytes, &mut cx);
            self.push.note(reply.is_ready());
        }
        match reply {
            Poll::Ready(reply) => Some(reply),
            Poll::Pending => None,
        }
    }

    /// Goes on with the call that waits.
    pub(crate) fn poll_reply(&mut self, bytes: &mut [u8], cx: &mut TaskContext<'_>) -> Poll<Reply> {
        let task = self.task.as_mut();
        // The task loops for ever, so it is pending whether or not it left a reply.
        let _pending = self.memory.lend(bytes, || task.poll(cx));
        self.mailbox.reply.take().map_or(Poll::Pending, Poll::Ready)
    }
}

async fn serve(mut context: Context, memory: GuestMemory, mailbox: Rc<Mailbox>) {
    loop {
        let take = |_: &mut TaskContext<'_>| mailbox.call.take().map_or(Poll::Pending, Poll::Ready);
        let call = poll_fn(take).await;
        context.snapshot = mailbox.snapshot.get();
        let result = dispatch(&mut context, &memory, call).await;
        mailbox.reply.set(Some(result.into()));
    }
}
