//! A call under way: what its promise, its pipeline and whoever completes it share.

use super::executor::TaskId;
use super::promise::{PromiseClient, PromiseState, broken_client};
use crate::local;
use crate::message::Received;
use capnp::capability::{Promise, RemotePromise, Response};
use capnp::private::capability::{ClientHook, PipelineHook, PipelineOp, ResponseHook};
use capnp::{Error, Result, any_pointer};
use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

/// See the module.
#[derive(Default)]
pub(super) struct CallState {
    /// Set once; responses read it here.
    outcome: OnceCell<Result<Received>>,
    waker: RefCell<Option<Waker>>,
    /// Promised capabilities by the path to them in the results.
    pipelined: RefCell<Vec<(Vec<PipelineOp>, Weak<PromiseState>)>>,
    interest: Cell<u32>,
    stage: Cell<Stage>,
}

/// The party at work on a call, which decides what cancelling it means.
#[derive(Clone, Copy, Default)]
pub(super) enum Stage {
    #[default]
    Nobody,
    /// An operation of the ring.
    Operation(usize),
    /// A task of this thread.
    Task(TaskId),
}

impl CallState {
    pub(super) fn set_stage(&self, stage: Stage) {
        self.stage.set(stage);
    }

    /// Whether nobody waits any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.interest.get() == 0
    }

    /// Notes the outcome and tells everyone who waits for it.
    pub(super) fn complete(&self, outcome: Result<Received>) {
        self.stage.set(Stage::Nobody);
        let outcome = self.outcome.get_or_init(|| outcome);
        if !self.pipelined.borrow().is_empty() {
            self.resolve_pipelined(outcome);
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    #[cold]
    fn resolve_pipelined(&self, outcome: &Result<Received>) {
        for (path, promise) in self.pipelined.take() {
            if let Some(promise) = promise.upgrade() {
                promise.resolve(capability_at(outcome, &path));
            }
        }
    }

    /// The promise and the pipeline of a call.
    pub(super) fn remote_promise(self: &Rc<Self>) -> RemotePromise<any_pointer::Owned> {
        RemotePromise {
            promise: Promise::from_future(CallFuture(Interest::new(self.clone()))),
            pipeline: any_pointer::Pipeline::new(Box::new(CallPipeline(Interest::new(self.clone())))),
        }
    }
}

/// The capability at `path` of the results.
fn capability_at(outcome: &Result<Received>, path: &[PipelineOp]) -> Result<Box<dyn ClientHook>> {
    match outcome {
        Ok(received) => received.root()?.get_pipelined_cap(path),
        Err(error) => Err(error.clone()),
    }
}

/// Someone waits for a call. When nobody does any more it is cancelled.
pub(super) struct Interest(Rc<CallState>);

impl Interest {
    fn new(state: Rc<CallState>) -> Self {
        state.interest.set(state.interest.get() + 1);
        Self(state)
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        let left = self.0.interest.get() - 1;
        self.0.interest.set(left);
        if left != 0 {
            return;
        }
        let Some(local) = local::try_current() else { return };
        match self.0.stage.replace(Stage::Nobody) {
            Stage::Nobody => {}
            Stage::Operation(operation) => local.operations.cancel(local, operation),
            Stage::Task(task) => local.executor.abort(task),
        }
    }
}

struct CallFuture(Interest);

impl Future for CallFuture {
    type Output = Result<Response<any_pointer::Owned>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let state = &self.0.0;
        match state.outcome.get() {
            Some(Ok(_)) => Poll::Ready(Ok(Response::new(Box::new(CallResponse(state.clone()))))),
            Some(Err(error)) => Poll::Ready(Err(error.clone())),
            None => {
                let mut waker = state.waker.borrow_mut();
                if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                    *waker = Some(context.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

/// The results of a call that has them.
struct CallResponse(Rc<CallState>);

impl ResponseHook for CallResponse {
    fn get(&self) -> Result<any_pointer::Reader<'_>> {
        match self.0.outcome.get() {
            Some(Ok(received)) => received.root(),
            Some(Err(error)) => Err(error.clone()),
            None => Err(Error::failed("the call has no results yet".into())),
        }
    }
}

struct CallPipeline(Interest);

impl PipelineHook for CallPipeline {
    fn add_ref(&self) -> Box<dyn PipelineHook> {
        Box::new(Self(Interest::new(self.0.0.clone())))
    }

    fn get_pipelined_cap(&self, path: &[PipelineOp]) -> Box<dyn ClientHook> {
        let state = &self.0.0;
        if let Some(outcome) = state.outcome.get() {
            return match capability_at(outcome, path) {
                Ok(hook) => hook,
                Err(error) => broken_client(error),
            };
        }
        let promise = Rc::new(PromiseState::waiting_for(Interest::new(state.clone())));
        state.pipelined.borrow_mut().push((path.to_vec(), Rc::downgrade(&promise)));
        Box::new(PromiseClient::new(promise))
    }
}
