//! A call, from its first parameter until its results are no longer needed. Its request, the pending operation, its
//! promise, its pipeline and its response share one record. The thread reuses the record, with its buffers, for a
//! later call.
#![expect(unsafe_code, reason = "counts references to a record that was a box, and becomes one again")]
// Unsafe here: the request owns the record as a box, and is turned into the counted record when it is sent.

use super::client::ring_handle;
use super::executor::TaskId;
use super::handle::OwnedHandle;
use super::promise::{PromiseClient, PromiseState, broken_client};
use crate::local;
use crate::message::{CapTable, Message, Received};
use capnp::capability::{Promise, RemotePromise, Response};
use capnp::private::capability::{ClientHook, PipelineHook, PipelineOp, RequestHook, ResponseHook};
use capnp::traits::ImbueMut;
use capnp::{Error, Result, any_pointer};
use capos_abi::Handle;
use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::ptr::NonNull;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

/// Maximum number of records that a thread keeps for later calls.
const KEPT: usize = 8;

/// The brand of requests that are [`Call`]s.
static CALL_BRAND: u8 = 0;

pub(super) fn call_brand() -> usize {
    (&raw const CALL_BRAND) as usize
}

/// The target of a call.
#[derive(Default)]
pub(super) enum Target {
    /// The target has been released.
    #[default]
    Gone,
    /// A capability in this process's table.
    Ring(Rc<OwnedHandle>),
    /// An object of this process, or a promise.
    Hook(Box<dyn ClientHook>),
}

/// See the module's documentation. Until the call is sent, its request owns the record exclusively.
#[derive(Default)]
pub(crate) struct Call {
    /// Released when the call has completed.
    pub(super) target: Cell<Target>,
    /// The handle of a target in the table.
    pub(super) handle: Cell<Handle>,
    pub(super) interface: u64,
    pub(super) method: u16,
    pub(super) message: RefCell<Message>,
    pub(super) capabilities: RefCell<CapTable>,
    /// Badges of objects exported with it.
    pub(super) exported: RefCell<Vec<u64>>,
    /// The buffer for the results.
    pub(super) results: RefCell<Message>,
    /// Set once; responses read it here.
    outcome: OnceCell<Result<Received>>,
    waker: Cell<Option<Waker>>,
    /// Promised capabilities, by their path in the results.
    pipelined: RefCell<Vec<(Vec<PipelineOp>, Weak<PromiseState>)>>,
    /// Number of references that wait for the outcome or may do so.
    interest: Cell<usize>,
    stage: Cell<Stage>,
    references: Cell<usize>,
}

/// The executor of a call, which determines how it is cancelled.
#[derive(Clone, Copy, Default)]
pub(super) enum Stage {
    #[default]
    Nobody,
    /// An operation of the ring.
    Operation(usize),
    /// A task of this thread.
    Task(TaskId),
}

impl Call {
    /// A call of a method, without parameters.
    #[inline]
    pub(super) fn new(target: Target, interface: u64, method: u16) -> Box<Self> {
        let kept = local::current().calls.borrow_mut().pop();
        let mut call = kept.unwrap_or_default();
        if let Target::Ring(handle) = &target {
            call.handle = Cell::new(handle.get());
        }
        call.target = Cell::new(target);
        (call.interface, call.method) = (interface, method);
        let (message, results) = (call.message.get_mut(), call.results.get_mut());
        if message.is_none() {
            *message = Message::new();
        }
        if results.is_none() {
            *results = Message::for_receiving();
        }
        message.begin();
        call
    }

    /// The call behind a request, if it is one of this runtime's.
    #[inline]
    pub(super) fn of_request(
        hook: Box<dyn RequestHook>,
    ) -> std::result::Result<Box<Self>, Box<dyn RequestHook>> {
        if hook.get_brand() != call_brand() {
            return Err(hook);
        }
        // SAFETY: no other type of request has the address of this crate's private static as its brand.
        Ok(unsafe { Box::from_raw(Box::into_raw(hook).cast::<Self>()) })
    }

    /// The root of the parameters.
    #[inline]
    pub(super) fn params(&mut self) -> any_pointer::Builder<'_> {
        let mut root = self.message.get_mut().root();
        root.imbue_mut(self.capabilities.get_mut());
        root
    }

    pub(super) fn set_stage(&self, stage: Stage) {
        self.stage.set(stage);
    }

    /// Whether nothing waits for its outcome any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.interest.get() == 0
    }

    /// Sets the target to `hook` if that is a capability in the table; otherwise returns it.
    pub(super) fn redirect(&self, hook: Box<dyn ClientHook>) -> std::result::Result<(), Box<dyn ClientHook>> {
        let Some(handle) = ring_handle(&*hook) else { return Err(hook) };
        self.handle.set(handle);
        self.target.set(Target::Hook(hook));
        Ok(())
    }

    /// Releases the target and the parameters.
    #[inline]
    pub(super) fn let_go(&self) {
        drop(self.target.take());
        if !self.capabilities.borrow().is_empty() {
            drop(self.capabilities.take());
        }
    }

    /// Stores the outcome and wakes its waiters.
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

    /// Resets the record for reuse; its buffers are kept.
    fn reset(&mut self) {
        // Most calls have already released these on completion.
        if !matches!(self.target.get_mut(), Target::Gone) || !self.capabilities.get_mut().is_empty() {
            self.let_go();
        }
        self.exported.get_mut().clear();
        self.pipelined.get_mut().clear();
        self.waker = Cell::default();
        match self.outcome.take() {
            Some(Ok(received)) => {
                if let Some(message) = received.into_message() {
                    *self.results.get_mut() = message;
                }
            }
            outcome => drop(outcome),
        }
    }
}

/// A reference to a call that has been sent.
pub(super) struct CallRef(NonNull<Call>);

impl CallRef {
    /// The first reference to a call.
    pub(super) fn share(call: Box<Call>) -> Self {
        call.references.set(1);
        Self(NonNull::from(Box::leak(call)))
    }
}

impl Deref for CallRef {
    type Target = Call;

    #[inline]
    fn deref(&self) -> &Call {
        // SAFETY: the call lives as long as it has references, and it is changed only through its cells.
        unsafe { self.0.as_ref() }
    }
}

impl Clone for CallRef {
    #[inline]
    fn clone(&self) -> Self {
        // Every reference is in memory or on the stack, so there are fewer of them than addresses.
        self.references.set(self.references.get() + 1);
        Self(self.0)
    }
}

impl Drop for CallRef {
    #[inline]
    fn drop(&mut self) {
        let left = self.references.get() - 1;
        self.references.set(left);
        if left == 0 {
            // SAFETY: `share` took it out of a box, and this was the last reference.
            retire(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }
}

/// Keeps the record of a finished call for reuse.
fn retire(mut call: Box<Call>) {
    call.reset();
    if let Some(local) = local::try_current() {
        let mut calls = local.calls.borrow_mut();
        if calls.len() < KEPT {
            return calls.push(call);
        }
    }
    drop(call);
}

/// The capability at `path` of the results.
fn capability_at(outcome: &Result<Received>, path: &[PipelineOp]) -> Result<Box<dyn ClientHook>> {
    match outcome {
        Ok(received) => received.root()?.get_pipelined_cap(path),
        Err(error) => Err(error.clone()),
    }
}

/// A waiter's interest in a call. Without any interest the call is cancelled.
pub(super) struct Interest(CallRef);

impl Interest {
    #[inline]
    pub(super) fn new(call: CallRef) -> Self {
        call.interest.set(call.interest.get() + 1);
        Self(call)
    }

    /// Whether the call succeeded, once it has an outcome.
    #[inline]
    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<Result<()>> {
        match self.0.outcome.get() {
            Some(Ok(_)) => Poll::Ready(Ok(())),
            Some(Err(error)) => Poll::Ready(Err(error.clone())),
            None => {
                let waker = match self.0.waker.take() {
                    Some(waker) if waker.will_wake(context.waker()) => waker,
                    _ => context.waker().clone(),
                };
                self.0.waker.set(Some(waker));
                Poll::Pending
            }
        }
    }

    /// The results of a call that succeeded.
    #[inline]
    pub(super) fn results(&self) -> Result<any_pointer::Reader<'_>> {
        match self.0.outcome.get() {
            Some(Ok(received)) => received.root(),
            Some(Err(error)) => Err(error.clone()),
            None => Err(Error::failed("the call has no results yet".into())),
        }
    }

    /// The promise and the pipeline of the call.
    #[inline]
    pub(super) fn remote_promise(self) -> RemotePromise<any_pointer::Owned> {
        let pipeline = CallPipeline(Self::new(self.0.clone()));
        RemotePromise {
            promise: Promise::from_future(CallFuture(self)),
            pipeline: any_pointer::Pipeline::new(Box::new(pipeline)),
        }
    }
}

impl Drop for Interest {
    #[inline]
    fn drop(&mut self) {
        let left = self.0.interest.get() - 1;
        self.0.interest.set(left);
        if left == 0 {
            match self.0.stage.replace(Stage::Nobody) {
                Stage::Nobody => {}
                stage => cancel(stage),
            }
        }
    }
}

#[cold]
fn cancel(stage: Stage) {
    let Some(local) = local::try_current() else { return };
    match stage {
        Stage::Nobody => {}
        Stage::Operation(operation) => local.operations.cancel(local, operation),
        Stage::Task(task) => local.executor.abort(task),
    }
}

struct CallFuture(Interest);

impl Future for CallFuture {
    type Output = Result<Response<any_pointer::Owned>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let response = |()| Response::new(Box::new(CallResponse(Interest::new(self.0.0.clone()))));
        self.0.poll(context).map_ok(response)
    }
}

/// The results of a call that has them.
struct CallResponse(Interest);

impl ResponseHook for CallResponse {
    fn get(&self) -> Result<any_pointer::Reader<'_>> {
        self.0.results()
    }
}

/// Promised results.
struct CallPipeline(Interest);

impl PipelineHook for CallPipeline {
    fn add_ref(&self) -> Box<dyn PipelineHook> {
        Box::new(Self(Interest::new(self.0.0.clone())))
    }

    fn get_pipelined_cap(&self, path: &[PipelineOp]) -> Box<dyn ClientHook> {
        let call = &self.0.0;
        if let Some(outcome) = call.outcome.get() {
            return match capability_at(outcome, path) {
                Ok(hook) => hook,
                Err(error) => broken_client(error),
            };
        }
        let promise = Rc::new(PromiseState::waiting_for(Interest::new(call.clone())));
        call.pipelined.borrow_mut().push((path.to_vec(), Rc::downgrade(&promise)));
        Box::new(PromiseClient::new(promise))
    }
}
