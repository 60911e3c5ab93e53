//! Code that is being generated while instances of the module are interpreted.

use super::Module;
use crate::{
    engine::{Movable, Urgency, movable},
    pace::Pace,
};
use futures::{FutureExt, channel::oneshot};
use std::{
    cell::RefCell,
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll},
};

/// The code of one module. The instances that are interpreted meanwhile share it, and so keep the code in existence.
#[derive(Default)]
pub(crate) struct Upgrade {
    code: RefCell<Code>,
    /// Low at first: nobody waits.
    pub(super) urgency: Urgency,
    movable: RefCell<Option<Result<Rc<Movable>, String>>>,
    /// Tasks that wait for the code.
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
}

#[derive(Clone, Default)]
pub(crate) enum Code {
    #[default]
    Pending,
    Ready(Module),
    /// There will be none.
    None,
}

impl Upgrade {
    pub(crate) fn code(&self) -> Code {
        self.code.borrow().clone()
    }

    /// Says that an instance waits for the code: it runs at the expense of others, and at its lowest priority the compiler may
    /// not get on at all.
    pub(crate) fn hurry(&self) {
        if !self.urgency.is_raised() {
            self.urgency.raise();
        }
    }

    pub(super) fn finish(&self, code: Option<&Module>) {
        *self.code.borrow_mut() = code.map_or(Code::None, |module| Code::Ready(module.clone()));
        // Dropping the senders wakes the waiting tasks.
        self.waiting.take();
    }

    /// The code when it is there, unless the task of `pace` is stopped before.
    pub(super) async fn wait(&self, pace: &Pace) -> Option<Module> {
        if let Code::Pending = self.code() {
            self.hurry();
            let (sender, mut finished) = oneshot::channel();
            self.waiting.borrow_mut().push(sender);
            // A kill wakes this task too.
            let poll = |cx: &mut Context<'_>| match finished.poll_unpin(cx) {
                Poll::Pending if !pace.is_stopped() => Poll::Pending,
                _ => Poll::Ready(()),
            };
            poll_fn(poll).await;
        }
        match self.code() {
            Code::Ready(module) => Some(module),
            Code::Pending | Code::None => None,
        }
    }

    /// The state that moves with an instance of the module with these bytes. The error says why none can move.
    pub(crate) async fn movable(&self, module: &[u8], pace: &mut Pace) -> Result<Rc<Movable>, String> {
        if let Some(known) = self.movable.borrow().clone() {
            return known;
        }
        let read = movable(module, pace).await.map(Rc::new);
        if !pace.is_stopped() {
            *self.movable.borrow_mut() = Some(read.clone());
        }
        read
    }
}
