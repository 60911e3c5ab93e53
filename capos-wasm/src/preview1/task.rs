//! The WASI side of one instance: a task that serves its calls, one after the other.
//!
//! The task is created once and owns the instance's [`Context`], so that a call costs no allocation: the engine
//! puts the call into the mailbox and polls the task. Most calls are answered by this one poll. One that must wait
//! leaves no reply; the engine then suspends the guest and polls the task as part of its own future until there is
//! a reply. Dropping the task cancels whatever it waits for. A read of the monotonic clock that needs nothing else is
//! answered without the task.

use super::{
    Context, Errno, GuestMemory, Snapshot,
    clock::PromptClock,
    dispatch::{Call, dispatch},
    link::define,
};
use crate::{
    engine::{Host, Linker, Outcome, ValueTypes},
    resources::Push,
};
use futures::future::LocalBoxFuture;
use std::{
    cell::Cell,
    future::poll_fn,
    rc::Rc,
    task::{Context as TaskContext, Poll, Waker},
};

#[derive(Default)]
struct Mailbox {
    /// The snapshot that the call belongs to; separate, so that a call can be moved unchanged.
    snapshot: Cell<Snapshot>,
    call: Cell<Option<Call>>,
    outcome: Cell<Option<Outcome>>,
}

/// The WASI functions of one instance, with their state.
pub(crate) struct Preview1 {
    task: LocalBoxFuture<'static, ()>,
    mailbox: Rc<Mailbox>,
    memory: GuestMemory,
    push: Push,
    clock: PromptClock,
}

impl Preview1 {
    pub(crate) fn new(context: Context) -> Self {
        let mailbox = Rc::new(Mailbox::default());
        let memory = GuestMemory::default();
        let clock = PromptClock::of(&context);
        let task = Box::pin(serve(context, memory.clone(), mailbox.clone()));
        Self { task, mailbox, memory, push: Push::default(), clock }
    }
}

impl Host for Preview1 {
    type Call = (Snapshot, Call);

    fn signature(module: &str, name: &str) -> Option<(ValueTypes, ValueTypes)> {
        let function = Snapshot::of_module(module)?.function(name)?;
        Some((function.params, function.results))
    }

    fn define<L: Linker<Self>>(linker: &mut L, module: &str, name: &str) -> Result<(), String> {
        define(linker, Snapshot::of_module(module).unwrap_or_default(), name)
    }

    /// With the guest's memory as it is now.
    fn begin(&mut self, memory: &mut [u8], (snapshot, call): (Snapshot, Call)) -> Option<Outcome> {
        if let Call::clock_time_get { id, time, .. } = call
            && self.clock.time_get(memory, id, time).is_some()
        {
            return Some(Outcome::Returned(Errno::Success as u32));
        }
        self.mailbox.snapshot.set(snapshot);
        self.mailbox.call.set(Some(call));
        // No waker is needed: if the call waits, the engine polls again at once with its own.
        let mut cx = TaskContext::from_waker(Waker::noop());
        let mut outcome = self.poll(memory, &mut cx);
        if outcome.is_pending() && self.push.attempt() {
            outcome = self.poll(memory, &mut cx);
            self.push.note(outcome.is_ready());
        }
        match outcome {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        }
    }

    fn poll(&mut self, memory: &mut [u8], cx: &mut TaskContext<'_>) -> Poll<Outcome> {
        let task = self.task.as_mut();
        // The task is an endless loop, so it is always pending, with or without an outcome.
        let _pending = self.memory.lend(memory, || task.poll(cx));
        self.mailbox.outcome.take().map_or(Poll::Pending, Poll::Ready)
    }

    fn take_work(&mut self) -> u64 {
        self.memory.take_work()
    }
}

async fn serve(mut context: Context, memory: GuestMemory, mailbox: Rc<Mailbox>) {
    loop {
        let take = |_: &mut TaskContext<'_>| mailbox.call.take().map_or(Poll::Pending, Poll::Ready);
        let call = poll_fn(take).await;
        context.snapshot = mailbox.snapshot.get();
        let result = dispatch(&mut context, &memory, call).await;
        mailbox.outcome.set(Some(result.into()));
    }
}
