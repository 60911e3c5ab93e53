//! A call that is being put together, and the ways it can go.

use super::call::{CallState, Stage};
use super::capabilities;
use super::client::ring_handle;
use super::error::from_code;
use super::handle::OwnedHandle;
use super::incoming::{Params, Results};
use crate::local;
use crate::message::{CapTable, Message, Received};
use capnp::capability::{Promise, RemotePromise, Request};
use capnp::private::capability::{ClientHook, ParamsHook, PipelineHook, RequestHook, ResultsHook};
use capnp::traits::ImbueMut;
use capnp::{Error, Result, any_pointer};
use capos_abi::ErrorCode;
use std::rc::Rc;

/// The receiver of a call.
pub(super) enum Target {
    /// A capability in this process's table.
    Ring(Rc<OwnedHandle>),
    /// An object of this process, or a promise.
    Hook(Box<dyn ClientHook>),
}

/// A call, from its first parameter to its completion. It stays in one box all the way.
pub(super) struct Call {
    pub(super) target: Target,
    pub(super) interface: u64,
    pub(super) method: u16,
    pub(super) message: Message,
    pub(super) capabilities: CapTable,
    /// Once sent, what its promise looks at.
    pub(super) state: Rc<CallState>,
    /// Once under way, where the results go.
    pub(super) results: Option<Message>,
    /// Badges of objects exported with it.
    pub(super) exported: Vec<u64>,
    /// The owner of a borrowed handle in `target`.
    keeper: Option<Box<dyn ClientHook>>,
}

/// An empty request.
pub(super) fn new_request(
    target: Target,
    interface: u64,
    method: u16,
) -> Request<any_pointer::Owned, any_pointer::Owned> {
    let mut message = Message::new();
    message.begin();
    Request::new(Box::new(Call {
        target,
        interface,
        method,
        message,
        capabilities: CapTable::new(),
        state: Rc::default(),
        results: None,
        exported: Vec::new(),
        keeper: None,
    }))
}

impl RequestHook for Call {
    fn get(&mut self) -> any_pointer::Builder<'_> {
        let mut root = self.message.root();
        root.imbue_mut(&mut self.capabilities);
        root
    }

    fn get_brand(&self) -> usize {
        0
    }

    fn send(self: Box<Self>) -> RemotePromise<any_pointer::Owned> {
        let state = self.state.clone();
        let promise = state.remote_promise();
        if matches!(self.target, Target::Ring(_)) && capabilities::are_settled(&self.capabilities) {
            submit(self);
        } else {
            let task = local::current().executor.spawn(Box::pin(deliver(self)));
            state.set_stage(Stage::Task(task));
        }
        promise
    }

    fn send_streaming(self: Box<Self>) -> Promise<(), Error> {
        let promise = self.send().promise;
        Promise::from_future(async move { promise.await.map(drop) })
    }

    fn tail_send(self: Box<Self>) -> Option<(u32, Promise<(), Error>, Box<dyn PipelineHook>)> {
        None
    }
}

/// Puts a call with settled capabilities into the ring.
fn submit(mut call: Box<Call>) {
    let local = local::current();
    let Some(length) = call.message.finish() else {
        return call.state.complete(Err(from_code(ErrorCode::MessageTooLarge)));
    };
    match capabilities::encode(local, &mut call.message, &call.capabilities) {
        Ok(exported) => {
            call.exported = exported;
            local.operations.call(local, length, call);
        }
        Err(error) => call.state.complete(Err(error)),
    }
}

/// Follows promises, the target's and those among the parameters, then makes the call.
async fn deliver(mut call: Box<Call>) {
    if let Err(error) = capabilities::settle(&mut call.capabilities).await {
        return call.state.complete(Err(error));
    }
    let hook = match &call.target {
        Target::Ring(_) => return submit(call),
        Target::Hook(hook) => match capabilities::settled(hook.add_ref()).await {
            Ok(hook) => hook,
            Err(error) => return call.state.complete(Err(error)),
        },
    };
    if let Some(handle) = ring_handle(&*hook) {
        call.target = Target::Ring(Rc::new(OwnedHandle::borrowed(handle)));
        call.keeper = Some(hook);
        return submit(call);
    }
    let Call { interface, method, message, capabilities, state, .. } = *call;
    let params = Box::new(Params(Received::own(message, capabilities)));
    let (results, slot) = Results::new();
    let outcome = match hook.call(interface, method, params, results).await {
        Ok(()) => match slot.take() {
            Some((message, capabilities)) => Ok(Received::own(message, capabilities)),
            None => Err(Error::failed("the server kept the results".into())),
        },
        Err(error) => Err(error),
    };
    state.complete(outcome);
}

/// Makes a call on `hook` with parameters and results that someone else holds.
pub(super) fn forward(
    hook: &dyn ClientHook,
    interface: u64,
    method: u16,
    params: Box<dyn ParamsHook>,
    mut results: Box<dyn ResultsHook>,
) -> Promise<(), Error> {
    let mut request = hook.new_call(interface, method, None);
    let copied: Result<()> = params.get().and_then(|params| request.hook.get().set_as(params));
    if let Err(error) = copied {
        return Promise::err(error);
    }
    drop(params);
    let promise = request.send().promise;
    Promise::from_future(async move { results.get()?.set_as(promise.await?.get()?) })
}
